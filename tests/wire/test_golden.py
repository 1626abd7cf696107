"""Two neighbouring versions of control plane and DTMA understand each other."""

from __future__ import annotations

import json
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, SecretStr, ValidationError

import dtma_wire
from dtma_wire import OLDEST_WIRE_VERSION, WIRE_VERSION, OciImage, Phase, Resources, RestartPolicy, ServerSpec, Since, TooOld, spec_for
from tests.wire import v3
from tests.wire.samples import GOLDEN, samples

WIRES = {3: v3, 4: dtma_wire}
NAMES = {version: sorted(path.stem for path in (GOLDEN / f"v{version}").glob("*.json")) for version in WIRES}
SHARED = sorted(set(NAMES[3]) & set(NAMES[4]))
OURS = samples(dtma_wire)
THEIRS = samples(v3)


def golden(version: int, name: str) -> bytes:
    return (GOLDEN / f"v{version}" / f"{name}.json").read_bytes()


def told(model: BaseModel) -> Any:
    return json.loads(model.model_dump_json())


def contains(whole: Any, part: Any) -> bool:
    """Whether all of ``part`` is in ``whole``, wherever that is a mapping."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(name in whole and contains(whole[name], value) for name, value in part.items())
    if isinstance(part, list):
        return isinstance(whole, list) and len(whole) == len(part) and all(map(contains, whole, part))
    return bool(whole == part)


def test_there_is_a_fixture_for_every_version_that_is_spoken() -> None:
    assert sorted(WIRES) == list(range(OLDEST_WIRE_VERSION, WIRE_VERSION + 1))
    assert {version: sorted(samples(wire)) for version, wire in WIRES.items()} == NAMES


@pytest.mark.parametrize(("version", "name"), [(version, name) for version, names in NAMES.items() for name in names])
def test_a_version_that_is_out_does_not_change(version: int, name: str) -> None:
    """If this fails for today's version, a field was changed: give it a default, or raise the version (see ``samples``)."""
    assert told(samples(WIRES[version])[name]) == json.loads(golden(version, name))


@pytest.mark.parametrize("name", NAMES[4])
def test_what_was_sent_is_what_arrives(name: str) -> None:
    assert type(OURS[name]).model_validate_json(golden(4, name)) == OURS[name]


@pytest.mark.parametrize("name", NAMES[3])
def test_we_read_what_an_older_side_sends_and_lose_nothing(name: str) -> None:
    read = type(OURS[name]).model_validate_json(golden(3, name))
    assert contains(told(read), json.loads(golden(3, name)))


@pytest.mark.parametrize("name", [name for name in SHARED if not name.startswith("spec_")])
def test_an_older_side_reads_what_we_send(name: str) -> None:
    """All that it knows of; it ignores the rest."""
    read = type(THEIRS[name]).model_validate_json(golden(4, name))
    changed = {"wire_version": 4} if name == "host_info" else {}
    if name.startswith("heartbeat_") and "answer" not in name:
        assert read.wire_version == 4  # type: ignore[attr-defined]
        assert read.servers == THEIRS[name].servers  # type: ignore[attr-defined]
    else:
        assert told(read) == told(THEIRS[name]) | changed


def test_an_older_control_plane_reads_phases_that_it_does_not_know() -> None:
    novelty = json.loads(golden(4, "settled_ready"))
    novelty["server"]["phase"] = "hibernating"
    assert dtma_wire.Settled.model_validate(novelty).server.phase is Phase.UNKNOWN
    assert v3.Settled.model_validate(novelty).server.phase is v3.Phase.UNKNOWN


@pytest.mark.parametrize("name", [name for name in SHARED if name.startswith("spec_")])
@pytest.mark.parametrize("version", WIRES)
def test_every_dtma_takes_a_spec_that_asks_for_nothing_new(name: str, version: int) -> None:
    spec = OURS[name]
    assert isinstance(spec, ServerSpec)
    sent = spec_for(spec.model_copy(update={"restart": RestartPolicy.ALWAYS}), version)
    understood = json.loads(WIRES[version].ServerSpec.model_validate_json(sent).model_dump_json())
    assert understood | {"restart": None} == told(samples(WIRES[version])[name]) | {"restart": None}


# --- the next version ---


class Nap(Resources):
    naps: Annotated[bool, Since(WIRE_VERSION + 1, "letting a server sleep")] = False


class Next(ServerSpec):
    """A spec as it may be one day."""

    resources: Nap = Nap()
    priority: Annotated[int, Since(WIRE_VERSION + 1, "priorities")] = 0
    nests: tuple[Nap, ...] = ()
    named: dict[str, Nap] = {}


def following(**changes: Any) -> Next:
    return Next(generation=1, name="x", source=OciImage(reference="x"), secrets={"A": SecretStr("b")}, **changes)


def test_a_new_field_is_left_out_for_a_dtma_that_does_not_know_it() -> None:
    sent = json.loads(spec_for(following(resources=Nap(memory_mb=64)), WIRE_VERSION))
    assert "priority" not in sent
    assert "naps" not in sent["resources"]
    assert (sent["resources"]["memory_mb"], sent["secrets"]) == (64, {"A": "b"})
    for name in ("nests", "named"):  # which have no mark of their own
        del sent[name]
    assert ServerSpec.model_validate(sent).resources.memory_mb == 64
    assert {"priority", "resources"} <= set(json.loads(spec_for(following(), WIRE_VERSION + 1)))


@pytest.mark.parametrize(
    ("changes", "feature"),
    [
        ({"priority": 1}, "priorities"),
        ({"resources": Nap(naps=True)}, "letting a server sleep"),
        ({"nests": (Nap(), Nap(naps=True))}, "letting a server sleep"),
        ({"named": {"a": Nap(naps=True)}}, "letting a server sleep"),
    ],
)
def test_what_a_dtma_cannot_do_is_said_by_name(changes: dict[str, Any], feature: str) -> None:
    with pytest.raises(TooOld, match=f"too old for {feature}: upgrade it"):
        spec_for(following(**changes), WIRE_VERSION)
    assert json.loads(spec_for(following(**changes), WIRE_VERSION + 1))


def test_a_dtma_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError):
        ServerSpec.model_validate_json(spec_for(following(priority=1), WIRE_VERSION + 1))
