"""Everything that crosses between the control plane and DTMA, as pydantic models, and nothing else.

Two kinds of model, by who must understand whom:

* a *command* (control plane → DTMA) forbids unknown fields: an instruction that is only half understood must not be carried out;
* an *event* (DTMA → control plane) ignores them: a newer DTMA may say more than an older control plane knows.

Times are aware UTC datetimes, sizes are bytes unless the name says otherwise, and unknown phases parse to ``unknown``.
"""

from dtma_wire.errors import ErrorBody, ErrorCode
from dtma_wire.events import (
    Denial,
    EgressReport,
    Heartbeat,
    HeartbeatAnswer,
    HostInfo,
    LogLine,
    Phase,
    Ping,
    Progress,
    ProgressEvent,
    ServerEvent,
    ServerState,
    Settled,
    Stats,
    Step,
    StepState,
    parse_progress_event,
)
from dtma_wire.specs import (
    Destination,
    Egress,
    HttpTransport,
    NpmPackage,
    NugetPackage,
    OciImage,
    PypiPackage,
    Resources,
    SecretFile,
    ServerSpec,
    Sessions,
    SseTransport,
    StdioTransport,
    Volume,
)

WIRE_VERSION = 2

__all__ = [
    "WIRE_VERSION",
    "Denial",
    "Destination",
    "Egress",
    "EgressReport",
    "ErrorBody",
    "ErrorCode",
    "Heartbeat",
    "HeartbeatAnswer",
    "HostInfo",
    "HttpTransport",
    "LogLine",
    "NpmPackage",
    "NugetPackage",
    "OciImage",
    "Phase",
    "Ping",
    "Progress",
    "ProgressEvent",
    "PypiPackage",
    "Resources",
    "SecretFile",
    "ServerEvent",
    "ServerSpec",
    "ServerState",
    "Sessions",
    "Settled",
    "SseTransport",
    "Stats",
    "StdioTransport",
    "Step",
    "StepState",
    "Volume",
    "parse_progress_event",
]
