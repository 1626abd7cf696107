"""Every address of the URL configuration and every WebSocket, with its parameters filled in."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import URLPattern, URLResolver, get_resolver

from agentopia.routing import websocket_urlpatterns

PARAMETER = re.compile(r"<(?:\w+:)?(\w+)>|\(\?P<(\w+)>(?:[^()]|\([^()]*\))*\)")


@dataclass(frozen=True)
class Route:
    """An address as it is declared: `servers/<uuid:server_id>/`."""

    declared: str

    @property
    def parameters(self) -> list[str]:
        return [one or other for one, other in PARAMETER.findall(self.declared)]

    def filled(self, values: Mapping[str, Any]) -> str:
        """The path, with these in place of the parameters."""
        path = PARAMETER.sub(lambda found: str(values[found[1] or found[2]]), self.declared)
        return "/" + path.replace("^", "").replace("\\Z", "").replace("$", "").replace("\\.", ".")


def all_routes() -> list[Route]:
    """Of HTTP."""
    return [Route(declared) for declared in _walked(get_resolver().url_patterns, "")]


def all_sockets() -> list[Route]:
    """Of WebSockets."""
    return [Route(str(pattern.pattern)) for pattern in websocket_urlpatterns]


def _walked(patterns: list[URLPattern | URLResolver], prefix: str) -> Iterator[str]:
    for pattern in patterns:
        here = prefix + str(pattern.pattern).removeprefix("^")
        if isinstance(pattern, URLResolver):
            yield from _walked(pattern.url_patterns, here)
        else:
            yield here
