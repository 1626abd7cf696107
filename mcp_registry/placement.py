"""Which toolbox a server fits on: what it needs, compared with what each toolbox has left.

Memory is promised: what the servers that are to run may use at most is theirs, whether they use it now or not. So the answer does not
hang on the moment, and no server is killed because another one fits only as long as it is idle.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet
from django.db.models.fields.json import KeyTransform

from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound
from dtma_wire import Resources, Sessions
from mcp_registry.manifest import Package, Profile, profile_in
from mcp_registry.models import McpServer
from mcp_registry.neighbours import version_problem
from toolboxes.models import Toolbox
from toolboxes.selectors import described_for
from toolboxes.status import State

MB, GB = 1024**2, 1024**3
DEFAULT_MEMORY = Resources().memory_mb
RESERVED_PART, RESERVED_LEAST = 8, 256 * MB
"""Of a host's memory an eighth, and this at least, is left to its system and to DTMA."""
DISK_RESERVED = 1 * GB
DISK_OF_IMAGE = {"npm": 600 * MB, "pypi": 600 * MB, "nuget": 1 * GB, "oci": 1 * GB}
"""What building or pulling and unpacking the image of a package takes, by experience; nobody knows before it is there."""
REASONS_TOLD = 10
UNFIT = {
    State.PENDING: "it has not reported yet",
    State.REVOKED: "its certificates were revoked",
    State.UNRESPONSIVE: "it does not report",
    State.NO_ENGINE: "its container engine does not answer",
}


@dataclass(frozen=True)
class Need:
    """What a server may use at most, in bytes and processors; the disk is an estimate."""

    memory: int
    disk: int
    cpus: float


@dataclass(frozen=True)
class Obstacle:
    """Why a server does not fit on a toolbox, without a full stop; one that is ``final`` cannot be overridden."""

    reason: str
    final: bool = False


@dataclass(frozen=True)
class Room:
    """A toolbox with what it has left for servers, and what is ``promised`` to them, in bytes; ``closed`` is why it takes none now."""

    toolbox: Toolbox
    memory: int
    memory_left: int
    disk_left: int
    cpus: float
    servers: int
    closed: Obstacle | None = None
    promised: int = 0


@dataclass(frozen=True)
class Promised:
    """To how many servers of a toolbox how much memory is promised, in bytes."""

    servers: int = 0
    memory: int = 0


@dataclass(frozen=True)
class Place:
    """Where a server goes, and the sentence that says why."""

    toolbox: Toolbox
    why: str


def need_of(package: Package, profile: Profile) -> Need:
    """What a package needs under its permissions. With sessions of their own, each may have a container."""
    return Need(_memory(profile.memory_mb, profile.sessions), DISK_OF_IMAGE[package.registry_type], profile.cpus)


def _memory(megabytes: int, sessions: Sessions) -> int:
    return megabytes * MB * (sessions.most if sessions.mode == "own" else 1)


def rooms(user: User) -> list[Room]:
    """All toolboxes of the user by name, each with what it has left; two queries."""
    promised = _promised_on(McpServer.objects.filter(toolbox__owner=user))
    return [_room(toolbox, promised[toolbox.pk]) for toolbox in described_for(user).order_by("name", "pk")]


def room_of(toolbox: Any) -> Room:
    """The same of one that a selector found with its state (`described_toolbox_for`); one query."""
    return _room(toolbox, _promised_on(McpServer.objects.filter(toolbox=toolbox))[toolbox.pk])


def _promised_on(servers: QuerySet[McpServer]) -> dict[UUID, Promised]:
    """By toolbox, what is promised to the servers that are to run there. Servers that ask for the same are counted by the database."""
    promised: dict[UUID, Promised] = defaultdict(Promised)
    profile = profile_in("manifest")
    asked = {"memory": KeyTransform("memory_mb", profile), "sessions": KeyTransform("sessions", profile)}
    changed = KeyTransform("memory_mb", "overrides")
    groups = servers.filter(desired=McpServer.Desired.RUNNING).order_by().annotate(**asked, changed=changed)
    for toolbox_id, memory, sessions, own, count in groups.values_list("toolbox_id", *asked, "changed").annotate(count=Count("pk")):
        most = _memory(own or memory or DEFAULT_MEMORY, Sessions.model_validate(sessions or {}))
        before = promised[toolbox_id]
        promised[toolbox_id] = Promised(before.servers + count, before.memory + count * most)
    return promised


def _room(toolbox: Any, promised: Promised) -> Room:
    memory = int(toolbox.info.get("memory_bytes", 0))
    reserved = max(memory // RESERVED_PART, RESERVED_LEAST)
    return Room(
        toolbox=toolbox,
        memory=memory,
        memory_left=max(0, memory - reserved - promised.memory),
        disk_left=max(0, int(toolbox.info.get("disk_free_bytes", 0)) - DISK_RESERVED),
        cpus=float(toolbox.info.get("cpus", 0)),
        servers=promised.servers,
        closed=_closed(toolbox),
        promised=promised.memory,
    )


def _closed(toolbox: Any) -> Obstacle | None:
    state = State(toolbox.state)
    if state in (State.REMOVING, State.REMOVED):
        return Obstacle("it is being removed", final=True)
    if problem := version_problem(toolbox):
        return Obstacle(problem[:1].lower() + problem[1:].removesuffix("."), final=True)
    return Obstacle(UNFIT[state]) if state in UNFIT else None


def fits(need: Need, room: Room) -> Obstacle | None:
    """Why it does not; None where it does."""
    if room.closed is not None:
        return room.closed
    if need.cpus > room.cpus:
        return Obstacle(f"it has {room.cpus:g} processors, and {need.cpus:g} are asked for", final=True)
    if need.memory > room.memory_left:
        beside = f" beside its {room.servers} servers" if room.servers > 1 else " beside its one server" if room.servers else ""
        left = f"{amount(room.memory_left)} of its {amount(room.memory)} of memory are left{beside}"
        return Obstacle(f"{left}, and {amount(need.memory)} are needed")
    if need.disk > room.disk_left:
        return Obstacle(f"{amount(room.disk_left)} of its disk are left, and about {amount(need.disk)} are needed")
    return None


def choose(user: User, need: Need) -> Place:
    """The toolbox that has the most memory left; the first by name among equals.

    Raises `NotFound` without any toolbox, and `Conflict`, which says of each why it does not fit.
    """
    return choose_among(rooms(user), need)


def choose_among(all_rooms: list[Room], need: Need) -> Place:
    """The same, of rooms that were looked at already."""
    if not all_rooms:
        raise NotFound("You have no toolbox yet. Add one first.", code="toolbox_not_found")
    fitting = [room for room in all_rooms if fits(need, room) is None]
    if not fitting:
        raise _nowhere(need, all_rooms)
    best = max(fitting, key=lambda room: room.memory_left)
    if len(all_rooms) == 1:
        why = f"On “{best.toolbox}”, the only toolbox."
    elif len(fitting) == 1:
        why = f"On “{best.toolbox}”, the only toolbox that it fits on."
    else:
        why = f"On “{best.toolbox}”: with {amount(best.memory_left)} it has the most memory left of the {len(fitting)} that it fits on."
    return Place(best.toolbox, why)


def check(user: User, need: Need, toolbox: Toolbox, *, force: bool) -> Place:
    """The toolbox that the user named, if it fits; with ``force`` also if it does not, unless that could never work. Raises `Conflict`."""
    room = next((room for room in rooms(user) if room.toolbox.pk == toolbox.pk), None)
    if room is None:
        raise NotFound(f"You have no toolbox “{toolbox}”.", code="toolbox_not_found")
    obstacle = fits(need, room)
    if obstacle is None:
        return Place(toolbox, f"On “{toolbox}”, as you chose.")
    if force and not obstacle.final:
        return Place(toolbox, f"On “{toolbox}”, as you chose, though it does not fit: {obstacle.reason}.")
    how = "" if obstacle.final else " It can be deployed there anyway."
    problem = f"It does not fit on “{toolbox}”: {obstacle.reason}.{how}"
    raise Conflict(problem, code="toolbox_does_not_fit", fields={"toolbox": problem})


def _nowhere(need: Need, all_rooms: list[Room]) -> Conflict:
    told = [(room, fits(need, room)) for room in all_rooms[:REASONS_TOLD]]
    reasons = [f"“{room.toolbox}”: {obstacle.reason}." for room, obstacle in told if obstacle is not None]
    others = [f"And {len(all_rooms) - REASONS_TOLD} more."] if len(all_rooms) > REASONS_TOLD else []
    problem = " ".join(["It fits on none of your toolboxes." if len(all_rooms) > 1 else "It does not fit.", *reasons, *others])
    return Conflict(problem, code="no_toolbox_fits", fields={"toolbox": problem})


def amount(size: int) -> str:
    """Bytes for a person."""
    return f"{size / GB:.1f} GB" if size >= GB else f"{size // MB} MB"
