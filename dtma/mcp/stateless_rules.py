"""The rules of the stateless era (`mcp_protocol.headers`) for requests that DTMA answers: what breaks them is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any

from starlette.datastructures import Headers

from dtma.mcp.asgi import Refused
from mcp_protocol import headers as rules
from mcp_protocol.messages import Message, ProtocolError, params_of
from mcp_protocol.messages import unsupported as not_spoken


def unsupported(version: object, request_id: Any) -> Refused:
    """The refusal of a version that is not spoken here."""
    return _refused(not_spoken(version, request_id))


def check(headers: Headers, request: Message) -> Message:
    """The request's ``_meta``, whose envelope is complete and agrees with the headers; raises ``Refused``."""
    with _refusing():
        return rules.check(headers.getlist, request)


class ParameterHeaders:
    """``Mcp-Param-*``: the arguments that a tool's schema marks with ``x-mcp-header``. ``tools`` are the definitions as last listed."""

    def __init__(self, tools: Callable[[], Sequence[Message]]) -> None:
        self._tools = tools
        self._of: Sequence[Message] = ()
        self._rules: dict[str, list[rules.Rule]] = {}

    def check(self, headers: Headers, request: Message) -> None:
        """Raises ``Refused`` where a header and an argument of a tool call disagree."""
        with _refusing():
            rules.check_parameters(headers.getlist, request, self.of(params_of(request).get("name")))

    def of(self, tool: Any) -> list[rules.Rule]:
        """The marked arguments of a tool; none of one that is not known."""
        tools = self._tools()
        if tools is not self._of:
            self._of = tools
            self._rules = {str(each["name"]): rules.rules_of(each.get("inputSchema")) for each in tools}
        return self._rules.get(tool, []) if isinstance(tool, str) else []


@contextmanager
def _refusing() -> Iterator[None]:
    try:
        yield
    except ProtocolError as error:
        raise _refused(error) from None


def _refused(error: ProtocolError) -> Refused:
    assert error.status is not None  # every rule says it
    return Refused(HTTPStatus(error.status), error.code, error.message, error.data, error.request_id)
