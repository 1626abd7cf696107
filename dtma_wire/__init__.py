"""Everything that crosses between the control plane and DTMA, as pydantic models, and nothing else.

Two kinds of model, by who must understand whom:

* a *command* (control plane → DTMA) forbids unknown fields: an instruction that is only half understood must not be carried out;
* an *event* (DTMA → control plane) ignores them: a newer DTMA may say more than an older control plane knows.

Times are aware UTC datetimes, sizes are bytes unless the name says otherwise, and unknown phases parse to ``unknown``.
"""

from dtma_wire.errors import ErrorBody, ErrorCode
from dtma_wire.events import (
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
    Step,
    StepState,
    parse_progress_event,
)
from dtma_wire.specs import (
    Egress,
    HttpTransport,
    NpmPackage,
    OciImage,
    PypiPackage,
    Resources,
    ServerSpec,
    StdioTransport,
    Volume,
)

WIRE_VERSION = 1

__all__ = [
    "WIRE_VERSION",
    "Egress",
    "ErrorBody",
    "ErrorCode",
    "Heartbeat",
    "HeartbeatAnswer",
    "HostInfo",
    "HttpTransport",
    "LogLine",
    "NpmPackage",
    "OciImage",
    "Phase",
    "Ping",
    "Progress",
    "ProgressEvent",
    "PypiPackage",
    "Resources",
    "ServerEvent",
    "ServerSpec",
    "ServerState",
    "Settled",
    "StdioTransport",
    "Step",
    "StepState",
    "Volume",
    "parse_progress_event",
]
