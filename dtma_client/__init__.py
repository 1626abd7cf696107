"""The typed, asynchronous client of DTMA: the only way in which the control plane talks to a toolbox."""

from dtma_client.asked import QuestionCallback
from dtma_client.client import DtmaClient, Endpoint, Forwarded
from dtma_client.exceptions import (
    DiskFull,
    DtmaError,
    DtmaFault,
    DtmaRefused,
    DtmaTimeout,
    DtmaUnreachable,
    EngineUnavailable,
    McpError,
    PackageNotFound,
    ServerNotFound,
    ServerNotReady,
    StaleGeneration,
)
from dtma_client.mcp import McpSession, NotificationCallback, ProgressCallback

__all__ = [
    "DiskFull",
    "DtmaClient",
    "DtmaError",
    "DtmaFault",
    "DtmaRefused",
    "DtmaTimeout",
    "DtmaUnreachable",
    "Endpoint",
    "EngineUnavailable",
    "Forwarded",
    "McpError",
    "McpSession",
    "NotificationCallback",
    "PackageNotFound",
    "ProgressCallback",
    "QuestionCallback",
    "ServerNotFound",
    "ServerNotReady",
    "StaleGeneration",
]
