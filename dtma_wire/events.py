"""What DTMA reports: host facts, observed states, progress, log lines, heartbeats."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import Field, TypeAdapter

from dtma_wire.base import Event


class Phase(StrEnum):
    """What DTMA observes of a server."""

    PREPARING = "preparing"
    STARTING = "starting"
    RUNNING = "running"
    UNHEALTHY = "unhealthy"
    CRASHED = "crashed"
    STOPPED = "stopped"
    ABSENT = "absent"
    UNKNOWN = "unknown"

    @classmethod
    def _missing_(cls, value: object) -> Phase:
        return cls.UNKNOWN


class Step(StrEnum):
    """The stations of a deployment on the toolbox, in order."""

    IMAGE = "image"
    CONTAINER = "container"
    HANDSHAKE = "handshake"
    TOOLS = "tools"


class StepState(StrEnum):
    """Where a step stands."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class LogLine(Event):
    """One line that a server printed. ``stream`` is ``stdout``, ``stderr`` or, for DTMA's own remarks, ``dtma``."""

    ts: datetime
    stream: str
    text: str


class ServerState(Event):
    """What DTMA observes of one server.

    ``revision`` grows with every change on this DTMA, over restarts too, so a late message never undoes a newer one.
    ``reason`` is a sentence for a person, empty while all is well; ``exit_code`` and ``last_log`` tell where the container failed.
    ``tools`` are the definitions as the server gave them (MCP ``Tool`` objects, unknown fields kept); None where not known or,
    in a heartbeat, not repeated: there ``tools_hash`` alone says whether they changed.
    """

    id: str
    name: str = ""
    generation: int
    revision: int
    phase: Phase
    reason: str = ""
    exit_code: int | None = None
    last_log: tuple[LogLine, ...] = ()
    image: str = ""
    container: str = ""
    started_at: datetime | None = None
    restarts: int = 0
    protocol_version: str = ""
    server_info: dict[str, Any] = {}
    tools: tuple[dict[str, Any], ...] | None = None
    tools_hash: str = ""


class Stats(Event):
    """What one server uses, all its containers together. Counters never fall while DTMA runs, whichever containers end and start;
    ``cpu_percent`` is of one core, over the time since the last sample. A figure that cannot be told is None.
    """

    type: Literal["stats"] = "stats"
    at: datetime
    cpu_percent: float | None
    cpu_seconds: float
    throttled_seconds: float | None
    memory_bytes: int
    memory_limit_bytes: int
    memory_peak_bytes: int | None
    out_of_memory_kills: int
    pids: int
    network_received_bytes: int | None
    network_sent_bytes: int | None
    block_read_bytes: int | None
    block_written_bytes: int | None
    containers: int


class ServerUsage(Event):
    """What one server used in the ``seconds`` that it ran since it was last told, for the history. ``cpu_percent`` is of one core, on
    average; bytes and kills are those of this time alone. A figure that cannot be told is None.
    """

    id: str
    seconds: float
    cpu_percent: float | None
    memory_bytes: int | None
    memory_limit_bytes: int | None
    received_bytes: int | None
    sent_bytes: int | None
    out_of_memory_kills: int


class Denial(Event):
    """A destination that a server tried to reach and may not.

    ``host`` is the name it asked for, or the address where it used none; ``port`` is 0 where a name was looked up and no more.
    """

    host: str
    port: int
    count: int
    first_at: datetime
    last_at: datetime


class EgressReport(Event):
    """``GET /v1/servers/{id}/egress``: what was let through and refused since the spec was last changed; the newest refusals."""

    allowed: int
    denied: int
    denials: tuple[Denial, ...]


class PackageInfo(Event):
    """``GET /v1/packages/{kind}/{name}``: what the package registry that this toolbox installs from says of a package; since version 4.

    ``versions`` are the newest ones that can be installed, newest first, ``version`` the one that a plain installation takes. What the
    registry does not say is empty.
    """

    name: str
    version: str
    versions: tuple[str, ...] = ()
    description: str = ""
    license: str = ""
    homepage: str = ""


class Progress(Event):
    """A step began, went on, ended or failed. ``fraction`` is 0…1 where the work can be measured."""

    type: Literal["progress"] = "progress"
    step: Step
    state: StepState
    at: datetime
    detail: str = ""
    fraction: float | None = None


class Settled(Event):
    """The last line of a PUT: the server is ready, or it failed and ``server.reason`` says why."""

    type: Literal["settled"] = "settled"
    ready: bool
    server: ServerState


class Ping(Event):
    """Sent on an otherwise quiet stream, so that a broken connection is noticed."""

    type: Literal["ping"] = "ping"


class ServerEvent(Event):
    """A line of ``GET /v1/events``: a server's state changed."""

    type: Literal["server"] = "server"
    server: ServerState


ProgressEvent = Annotated[Progress | Settled | Ping, Field(discriminator="type")]
_progress: TypeAdapter[Progress | Settled | Ping] = TypeAdapter(ProgressEvent)


def parse_progress_event(line: bytes) -> Progress | Settled | Ping:
    """Parse one NDJSON line of a PUT's answer; raises ``pydantic.ValidationError``."""
    return _progress.validate_json(line)


class HostInfo(Event):
    """``GET /v1/info``. ``engine_version`` is empty while the container engine does not answer; ``system`` is the operating system's own
    name for itself, and ``disk_bytes`` the size of the disk that ``disk_free_bytes`` is left on.
    """

    dtma_version: str
    wire_version: int
    mcp_versions: tuple[str, ...]
    hostname: str
    cpus: int
    memory_bytes: int
    disk_free_bytes: int
    disk_bytes: int = 0
    arch: str = ""
    system: str = ""
    kernel: str = ""
    engine_version: str = ""
    engine_problem: str = ""
    isolation: tuple[str, ...] = ()


class HostLoad(Event):
    """How busy the host is. ``cpu_percent`` is of all its processors together (0…100) since the last heartbeat, None in the first one;
    ``load`` is the load average of the last minute; memory in use does not count caches that can be given back.
    """

    cpu_percent: float | None
    load: float
    memory_used_bytes: int
    disk_used_bytes: int


class Orphan(Event):
    """A container that carries this toolbox's label though no server of this DTMA owns it. ``server`` is the id that its label names.

    One that is ``adoptable`` can be taken up again as it runs; of another, ``reason`` says why it cannot.
    """

    container: str
    name: str
    server: str
    server_name: str = ""
    image: str
    created_at: datetime
    running: bool
    adoptable: bool
    reason: str = ""


class Heartbeat(Event):
    """Sent by DTMA every few seconds and at once when a state changes.

    ``epoch`` counts DTMA's starts and ``sequence`` the heartbeats within one, so that replays and reorderings are recognised.
    ``revision`` is the newest one given when it was composed: a server that is missing from it, but was reported with a higher
    revision, came later and is not lost. ``servers`` are those whose state changed since the heartbeat ``since``, the last one that was
    acknowledged (0: none, so all are told), ``unchanged`` the ids of all others. What would make it too long follows in the next.
    ``orphans`` are all there are, told where they changed since then; None: as they were. ``usage`` comes with one heartbeat a minute,
    and again, unchanged, with those after it until one is acknowledged; ``usage_first`` is the sequence of the first that carried it.
    """

    wire_version: int
    epoch: int
    sequence: int
    revision: int
    sent_at: datetime
    info: HostInfo
    servers: tuple[ServerState, ...]
    unchanged: tuple[str, ...] = ()
    since: int = 0
    load: HostLoad | None = None
    orphans: tuple[Orphan, ...] | None = None
    usage: tuple[ServerUsage, ...] = ()
    usage_first: int = 0


class Wanted(Event):
    """A server that is not as the control plane wants it. What needs no spec, to be stopped or absent, DTMA does at once;
    the spec of one that shall run, or run differently, follows in a PUT. ``volumes`` says what becomes of the data of an absent one.
    """

    id: str
    generation: int
    desired: Literal["running", "stopped", "absent"]
    volumes: Literal["keep", "remove"] = "keep"


class HeartbeatAnswer(Event):
    """What the control plane answers: when it wants to hear again, whether all of it, since it does not know of ``since`` any more, and
    what it wants changed.
    """

    interval_seconds: float
    resend: bool = False
    wanted: tuple[Wanted, ...] = ()
