"""What a change of a server does to it, told before it is done: a pure comparison of two specs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from dtma_wire import Egress, RestartPolicy, ServerSpec, Volume
from mcp_registry.configuring.overrides import host_text

RESTARTS = {
    RestartPolicy.ALWAYS: "When it ends by itself, it is started again from now on.",
    RestartPolicy.ON_FAILURE: "When it ends with a failure, it is started again; when it ends with exit code 0, it stays stopped.",
    RestartPolicy.NEVER: "When it ends by itself, it stays as it is from now on, until somebody starts it.",
}


class Effect(StrEnum):
    """What becomes of the container, from nothing to most."""

    NOTHING = "nothing"
    IN_PLACE = "in_place"
    REPLACED = "replaced"
    REBUILT = "rebuilt"


class Tick(StrEnum):
    """What has to be confirmed."""

    EGRESS = "egress"
    DATA = "data"
    ROOM = "room"


TICKS = {
    Tick.EGRESS: "Let it reach more than before",
    Tick.DATA: "Go on without that data",
    Tick.ROOM: "Give it that anyway",
}


@dataclass(frozen=True)
class Consequence:
    """A sentence; ``tone`` is info, success, warning or error. One with a ``tick`` has to be confirmed."""

    sentence: str
    tone: str = "info"
    tick: Tick | None = None


@dataclass(frozen=True)
class Consequences:
    """All of them, the container's first."""

    effect: Effect
    sentences: tuple[Consequence, ...]

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """What has to be confirmed, once each."""
        return tuple(dict.fromkeys(one.tick for one in self.sentences if one.tick is not None))


def consequences(before: ServerSpec, after: ServerSpec, *, seconds: float | None = None) -> Consequences:
    """What the step from one spec to the other does. ``seconds`` is how long it last took to come up, where that is known."""
    effect = _effect(before, after)
    told = [*_container(effect, after, seconds), *_restarts(before, after), *_data(before, after), *_egress(before, after)]
    return Consequences(effect, tuple(told))


def _effect(before: ServerSpec, after: ServerSpec) -> Effect:
    if before.source != after.source:
        return Effect.REBUILT
    same = {"generation": before.generation, "incarnation": before.incarnation, "desired": before.desired}
    if before.fingerprint != after.model_copy(update=same).fingerprint:
        return Effect.REPLACED
    return Effect.NOTHING if before.restart == after.restart else Effect.IN_PLACE


def _container(effect: Effect, after: ServerSpec, seconds: float | None) -> Iterable[Consequence]:
    if effect is Effect.NOTHING:
        yield Consequence("Nothing changes.")
    elif effect is Effect.IN_PLACE:
        yield Consequence("It takes effect without a restart: nothing is interrupted.", "success")
    elif after.desired == "stopped":
        yield Consequence("It is stopped and stays so: this counts from its next start on.", "success")
    elif effect is Effect.REPLACED:
        yield Consequence(f"Its container is replaced: {_interruption(seconds)}, and calls that are open then fail.", "warning")
    else:
        yield Consequence(
            "Its image is built or fetched anew, which may take a minute or more where the toolbox does not have it, and its container is "
            f"replaced: {_interruption(seconds)} after that, and calls that are open then fail.",
            "warning",
        )


def _interruption(seconds: float | None) -> str:
    if seconds is None:
        return "it cannot be used for some seconds"
    whole = max(1, round(seconds))
    return f"it cannot be used for about {whole} second{'s' if whole > 1 else ''}"


def _restarts(before: ServerSpec, after: ServerSpec) -> Iterable[Consequence]:
    if before.restart != after.restart:
        yield Consequence(RESTARTS[after.restart])


def _data(before: ServerSpec, after: ServerSpec) -> Iterable[Consequence]:
    old, new = {_key(one): one for one in before.volumes}, {_key(one): one for one in after.volumes}
    for key, volume in old.items():
        if key not in new:
            what = f"the shared folder “{volume.name}”" if volume.shared else "the data that it has stored"
            back = "Other servers see it as before." if volume.shared else "It stays on the toolbox, and is back when this is changed back."
            yield Consequence(f"At {volume.path} it does not see {what} any more. {back}", "warning", Tick.DATA)
        elif new[key].path != volume.path:
            yield Consequence(f"What was at {volume.path} is at {new[key].path}; it is the same data.")
    for key, volume in new.items():
        if key not in old and volume.shared:
            yield Consequence(f"At {volume.path} it works in the shared folder “{volume.name}”, with every server that names it.")
        elif key not in old:
            yield Consequence(f"At {volume.path} it has a volume of its own, empty unless it was there before.")


def _key(volume: Volume) -> tuple[str, bool]:
    return volume.name, volume.shared


def _egress(before: ServerSpec, after: ServerSpec) -> Iterable[Consequence]:
    was, now = _hosts(before), _hosts(after)
    if after.egress is Egress.OPEN and before.egress is not Egress.OPEN:
        yield Consequence("It may reach the whole internet from now on.", "warning", Tick.EGRESS)
    elif before.egress is Egress.OPEN and after.egress is not Egress.OPEN:
        only = f"{', '.join(now)} and nothing else" if now else "no network at all"
        yield Consequence(f"It reaches {only} from now on, not the whole internet.", "success")
    else:
        if added := [host for host in now if host not in was]:
            yield Consequence(f"It may reach {', '.join(added)} as well.", "warning", Tick.EGRESS)
        if gone := [host for host in was if host not in now]:
            yield Consequence(f"It no longer reaches {', '.join(gone)}.", "success")


def _hosts(spec: ServerSpec) -> list[str]:
    return [host_text(host) for host in spec.allowed] if spec.egress is Egress.ALLOWLIST else []
