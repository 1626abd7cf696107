"""What servers and clients say, as DTMA takes it: more leniently than the standard, for a server that is not exact still has to be run."""

from __future__ import annotations

from typing import Any

from mcp_protocol.messages import UNAVAILABLE, Message, lenient
from mcp_protocol.messages import parse as parsed

SERVER_GONE = BUSY = UNAVAILABLE
decoder = lenient


def parse(data: bytes) -> Any:
    """Parse JSON; raises ``ValueError``, also for what is nested too deeply."""
    return parsed(data, decoder)


def result_in(response: Message, method: str) -> Message:
    """The result that a response carries; raises ``RpcError``."""
    if "error" in response:
        raise RpcError(response["error"])
    result = response.get("result")
    if not isinstance(result, dict):
        raise RpcError({"code": 0, "message": f"it answered {method} with something that is not a result"})
    return result


class RpcError(Exception):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: Any) -> None:
        self.rpc_code = error.get("code", 0) if isinstance(error, dict) else 0
        self.rpc_message = str(error.get("message", "")) if isinstance(error, dict) else str(error)
        super().__init__(f"{self.rpc_message} ({self.rpc_code})")
