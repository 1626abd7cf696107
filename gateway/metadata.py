"""The metadata of a protected resource (RFC 9728): where a client learns who gives tokens for an agent's address, and that is all it says.

It is the same for every name, so that it tells nobody which agents there are.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from django.conf import settings

from gateway import origins
from gateway.refusals import Refused, refuse

if TYPE_CHECKING:
    from asgiref.typing import ASGIReceiveCallable, ASGISendCallable

WELL_KNOWN = "/.well-known/oauth-protected-resource"
RESOURCE = re.compile(r"/mcp/([a-z0-9-]{1,63})(/[a-z0-9-]{1,63})?/?")


def is_metadata(path: str) -> bool:
    """Whether an address is one of these documents."""
    return path.startswith(WELL_KNOWN + "/mcp/")


def scope_of(slug: str) -> str:
    """The OAuth scope that stands for one agent."""
    return f"agent:{slug}"


def challenge(scope: dict[str, Any], /, **parameters: str) -> tuple[bytes, bytes]:
    """The header ``WWW-Authenticate`` for a request that was not let in: where the metadata is, and what else there is to say."""
    where = f"{origins.base_of(scope)}{WELL_KNOWN}{resource_path(scope)}"
    told = {"realm": "agentopia", **parameters, "resource_metadata": where}
    text = ", ".join(f'{name}="{value}"' for name, value in told.items())
    return b"www-authenticate", b"Bearer " + text.encode("ascii", "ignore")


def resource_path(scope: dict[str, Any]) -> str:
    """The path of the agent's address that was asked for, as the metadata names it; empty where it is none."""
    found = RESOURCE.fullmatch(scope["path"].removeprefix(WELL_KNOWN))
    return f"/mcp/{found[1]}{found[2] or ''}" if found else ""


async def application(scope: dict[str, Any], receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
    """ASGI: the document of one address. Pages of everybody may read it: it holds no secret."""
    try:
        origins.check_host(scope)
        path = resource_path(scope)
        if not path:
            raise Refused(404, "There is no such address.", code="not_found")
        if scope["method"] not in ("GET", "HEAD"):
            raise Refused(405, "This can be read alone.", code="method_not_allowed", headers=((b"allow", b"GET, HEAD"),))
    except Refused as error:
        await refuse(send, error)
        return
    body = json.dumps(document(origins.base_of(scope), path)).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"public, max-age=300"),
        (b"access-control-allow-origin", b"*"),
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers, "trailers": False})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body, "more_body": False})


def document(base: str, path: str) -> dict[str, Any]:
    """The metadata of ``base + path``. Without an issuer of access tokens the key is left out: API tokens are made on a page."""
    found: dict[str, Any] = {
        "resource": base + path,
        "resource_name": "Agentopia",
        "bearer_methods_supported": ["header"],
        "scopes_supported": [scope_of(path.split("/")[2])],
        "resource_documentation": f"{base}/account/tokens/",
    }
    if settings.AUTHORIZATION_SERVERS:
        found["authorization_servers"] = list(settings.AUTHORIZATION_SERVERS)
    return found
