"""Everything that crosses between the control plane and DTMA, as pydantic models, and nothing else.

Two kinds of model, by who must understand whom:

* a *command* (control plane → DTMA) forbids unknown fields: an instruction that is only half understood must not be carried out;
* an *event* (DTMA → control plane) ignores them: a newer DTMA may say more than an older control plane knows.

Times are aware UTC datetimes, sizes are bytes unless the name says otherwise, and unknown phases parse to ``unknown``.
"""

from dtma_wire.base import Since
from dtma_wire.errors import ErrorBody, ErrorCode
from dtma_wire.events import (
    Denial,
    EgressReport,
    Heartbeat,
    HeartbeatAnswer,
    HostInfo,
    HostLoad,
    LogLine,
    Orphan,
    PackageInfo,
    Phase,
    Ping,
    Progress,
    ProgressEvent,
    ServerEvent,
    ServerState,
    ServerUsage,
    Settled,
    Stats,
    Step,
    StepState,
    Wanted,
    parse_progress_event,
)
from dtma_wire.identity import CONTROL_PLANE_NAME, Enrol, Enrolled, Renew, Renewed, toolbox_name, toolbox_named
from dtma_wire.specs import (
    Destination,
    Egress,
    HttpTransport,
    NpmPackage,
    NugetPackage,
    OciImage,
    PypiPackage,
    Resources,
    RestartPolicy,
    SecretFile,
    ServerSpec,
    Sessions,
    SseTransport,
    StdioTransport,
    Volume,
)
from dtma_wire.versions import TooOld, spec_for

WIRE_VERSION = 4
OLDEST_WIRE_VERSION = 3
"""The oldest that this side still speaks with: its neighbour."""

__all__ = [
    "CONTROL_PLANE_NAME",
    "OLDEST_WIRE_VERSION",
    "WIRE_VERSION",
    "Denial",
    "Destination",
    "Egress",
    "EgressReport",
    "Enrol",
    "Enrolled",
    "ErrorBody",
    "ErrorCode",
    "Heartbeat",
    "HeartbeatAnswer",
    "HostInfo",
    "HostLoad",
    "HttpTransport",
    "LogLine",
    "NpmPackage",
    "NugetPackage",
    "OciImage",
    "Orphan",
    "PackageInfo",
    "Phase",
    "Ping",
    "Progress",
    "ProgressEvent",
    "PypiPackage",
    "Renew",
    "Renewed",
    "Resources",
    "RestartPolicy",
    "SecretFile",
    "ServerEvent",
    "ServerSpec",
    "ServerState",
    "ServerUsage",
    "Sessions",
    "Settled",
    "Since",
    "SseTransport",
    "Stats",
    "StdioTransport",
    "Step",
    "StepState",
    "TooOld",
    "Volume",
    "Wanted",
    "parse_progress_event",
    "spec_for",
    "toolbox_name",
    "toolbox_named",
]
