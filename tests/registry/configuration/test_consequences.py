"""What a change does, told from two specs alone."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from dtma_wire import Destination, Egress, NpmPackage, Resources, RestartPolicy, ServerSpec, Volume
from mcp_registry.configuring.consequences import Consequences, Effect, Tick, consequences

OWN = Volume(name="data", path="/data")
TEAM = Volume(name="team", path="/data", shared=True)
API, MAIL = Destination(host="api.example.org"), Destination(host="mail.example.org", port=587)


def spec(**changes: Any) -> ServerSpec:
    return ServerSpec(**{"generation": 1, "name": "weather", "source": NpmPackage(name="weather", version="1.0.0"), **changes})


def told(before: ServerSpec, after: ServerSpec, **options: Any) -> Consequences:
    return consequences(before, after.model_copy(update={"generation": before.generation + 1}), **options)


def text(found: Consequences) -> str:
    return " ".join(one.sentence for one in found.sentences)


def test_the_same_again_does_nothing() -> None:
    found = told(spec(), spec())
    assert (found.effect, text(found), found.ticks) == (Effect.NOTHING, "Nothing changes.", ())


@pytest.mark.parametrize(
    "change",
    [
        {"environment": {"CITY": "Oslo"}},
        {"secrets": {"API_KEY": SecretStr("k")}},
        {"arguments": ("--fast",)},
        {"resources": Resources(memory_mb=1024)},
    ],
)
def test_what_the_container_is_made_from_replaces_it(change: dict[str, Any]) -> None:
    found = told(spec(), spec(**change), seconds=3.4)
    assert found.effect is Effect.REPLACED
    assert text(found) == "Its container is replaced: it cannot be used for about 3 seconds, and calls that are open then fail."


def test_how_long_is_not_made_up() -> None:
    assert "for some seconds" in text(told(spec(), spec(arguments=("--fast",))))
    assert "about 1 second," in text(told(spec(), spec(arguments=("--fast",)), seconds=0.2))


def test_another_version_is_another_image() -> None:
    found = told(spec(), spec(source=NpmPackage(name="weather", version="2.0.0")))
    assert found.effect is Effect.REBUILT
    assert "Its image is built or fetched anew" in text(found)


def test_a_stopped_server_is_not_interrupted() -> None:
    found = told(spec(desired="stopped"), spec(desired="stopped", arguments=("--fast",)))
    assert (found.effect, text(found)) == (Effect.REPLACED, "It is stopped and stays so: this counts from its next start on.")


@pytest.mark.parametrize("policy", [RestartPolicy.ON_FAILURE, RestartPolicy.NEVER])
def test_a_restart_policy_interrupts_nothing(policy: RestartPolicy) -> None:
    found = told(spec(), spec(restart=policy))
    assert found.effect is Effect.IN_PLACE
    assert "nothing is interrupted" in text(found)
    assert "When it ends" in text(found)


def test_its_own_data_is_out_of_sight_in_a_shared_folder_and_back_again() -> None:
    there = told(spec(volumes=(OWN,)), spec(volumes=(TEAM,)))
    assert there.ticks == (Tick.DATA,)
    assert "At /data it does not see the data that it has stored any more. It stays on the toolbox" in text(there)
    assert "in the shared folder “team”" in text(there)
    back = told(spec(volumes=(TEAM,)), spec(volumes=(OWN,)))
    assert back.ticks == (Tick.DATA,)
    assert "does not see the shared folder “team” any more. Other servers see it as before." in text(back)


def test_the_same_data_elsewhere_is_not_lost() -> None:
    found = told(spec(volumes=(OWN,)), spec(volumes=(OWN.model_copy(update={"path": "/store"}),)))
    assert found.ticks == ()
    assert "What was at /data is at /store; it is the same data." in text(found)


@pytest.mark.parametrize(
    ("before", "after", "sentence", "ticks"),
    [
        ({}, {"egress": Egress.OPEN}, "It may reach the whole internet from now on.", (Tick.EGRESS,)),
        ({}, {"egress": Egress.ALLOWLIST, "allowed": (API, MAIL)},
         "It may reach api.example.org, mail.example.org:587 as well.", (Tick.EGRESS,)),
        ({"egress": Egress.ALLOWLIST, "allowed": (API, MAIL)}, {"egress": Egress.ALLOWLIST, "allowed": (API,)},
         "It no longer reaches mail.example.org:587.", ()),
        ({"egress": Egress.OPEN}, {"egress": Egress.ALLOWLIST, "allowed": (API,)},
         "It reaches api.example.org and nothing else from now on, not the whole internet.", ()),
        ({"egress": Egress.OPEN}, {}, "It reaches no network at all from now on, not the whole internet.", ()),
    ],
)  # fmt: skip
def test_a_wider_network_is_asked_for_a_narrower_one_is_told(
    before: dict[str, Any], after: dict[str, Any], sentence: str, ticks: tuple[Tick, ...]
) -> None:
    found = told(spec(**before), spec(**after))
    assert sentence in text(found)
    assert found.ticks == ticks


def test_another_host_in_place_of_one_is_both() -> None:
    found = told(spec(egress=Egress.ALLOWLIST, allowed=(API,)), spec(egress=Egress.ALLOWLIST, allowed=(MAIL,)))
    assert "It may reach mail.example.org:587 as well. It no longer reaches api.example.org." in text(found)
    assert found.ticks == (Tick.EGRESS,)
