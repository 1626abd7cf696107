"""A double of DigitalOcean's HTTP API, as a real HTTP server: written from the public API reference (OpenAPI, v2).

It knows tokens and their scopes, pages, rate limits and the shapes of errors, and misbehaves on demand (`Fault`).
"""

from __future__ import annotations

import json
import re
import threading
import time
import uuid
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from tests.doubles.digitalocean.catalogue import IMAGES, REGIONS, SIZES
from tests.doubles.digitalocean.cloud import ApiError, Cloud, Json
from tests.doubles.digitalocean.faults import Fault, Faults

TOKEN = "dop_v1_" + "5a" * 32
ALL_SCOPES = {
    f"{thing}:{act}" for thing in ("account", "actions", "droplet", "firewall", "image", "regions", "sizes", "tag")
    for act in ("create", "read", "update", "delete")
}  # fmt: skip
PER_HOUR = 5000

Route = tuple[str, str, tuple[str, ...], Callable[["Request"], tuple[int, Any]]]


class Request:
    """What a route is given."""

    def __init__(self, cloud: Cloud, scopes: set[str], arguments: tuple[str, ...], query: dict[str, str], body: Json) -> None:
        self.cloud, self.scopes, self.arguments, self.query, self.body = cloud, scopes, arguments, query, body

    @property
    def number(self) -> int:
        return int(self.arguments[0])


def _created_droplet(request: Request) -> tuple[int, Any]:
    if request.body.get("tags") and "tag:create" not in request.scopes:
        raise ApiError(403, "You are not authorized to perform this operation")
    droplet = request.cloud.create_droplet(request.body)
    action = {"id": 7515, "rel": "create", "href": "https://api.digitalocean.com/v2/actions/7515"}
    return 202, {"droplet": droplet, "links": {"actions": [action]}}


def _nothing(done: None) -> tuple[int, None]:
    return 204, done


ROUTES: list[Route] = [
    ("GET", "/v2/account", ("account:read",), lambda r: (200, {"account": r.cloud.account(r.scopes)})),
    ("GET", "/v2/regions", ("regions:read",), lambda r: (200, {"regions": REGIONS})),
    ("GET", "/v2/sizes", ("sizes:read", "regions:read"), lambda r: (200, {"sizes": SIZES})),
    ("GET", "/v2/images", ("image:read",), lambda r: (200, {"images": IMAGES})),
    ("POST", "/v2/droplets", ("droplet:create",), _created_droplet),
    ("GET", "/v2/droplets", ("droplet:read",), lambda r: (200, {"droplets": r.cloud.droplets_with(r.query.get("tag_name"))})),
    ("GET", r"/v2/droplets/(\d+)", ("droplet:read",), lambda r: (200, {"droplet": r.cloud.droplet(r.number)})),
    ("DELETE", r"/v2/droplets/(\d+)", ("droplet:delete",), lambda r: _nothing(r.cloud.destroy_droplet(r.number))),
    ("POST", "/v2/tags", ("tag:create",), lambda r: (201, {"tag": r.cloud.create_tag(r.body.get("name"))})),
    ("GET", "/v2/tags/([^/]+)", ("tag:read",), lambda r: (200, {"tag": r.cloud.tag(r.arguments[0])})),
    ("DELETE", "/v2/tags/([^/]+)", ("tag:delete",), lambda r: _nothing(r.cloud.delete_tag(r.arguments[0]))),
    ("POST", "/v2/firewalls", ("firewall:create",), lambda r: (202, {"firewall": r.cloud.create_firewall(r.body)})),
    ("GET", "/v2/firewalls", ("firewall:read",), lambda r: (200, {"firewalls": list(r.cloud.firewalls.values())})),
    ("DELETE", "/v2/firewalls/([^/]+)", ("firewall:delete",), lambda r: _nothing(r.cloud.delete_firewall(r.arguments[0]))),
]


class DigitalOceanDouble:
    """The server, in threads of this process. ``cloud`` is what it keeps, ``requests`` what it was asked."""

    def __init__(self, port: int = 0) -> None:
        self.cloud = Cloud()
        self.faults = Faults()
        self.tokens: dict[str, set[str]] = {TOKEN: set(ALL_SCOPES)}
        self.remaining = PER_HOUR
        self.requests: list[tuple[str, str, Json]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def start(self) -> DigitalOceanDouble:
        self._thread.start()
        return self

    def stop(self) -> None:
        self.faults.clear()
        self._server.shutdown()
        self._server.server_close()
        for boot in self.cloud.boots:
            boot.cancel()
            boot.join(30)

    def misbehave(self, method: str, path: str, **how: Any) -> Fault:
        """The next matching request goes wrong; see `Fault`."""
        return self.faults.add(Fault(method, path, **how))

    def asked(self, method: str, path: str) -> list[Json]:
        """The bodies of the requests of this method whose path matches."""
        return [body for was, where, body in self.requests if was == method and re.fullmatch(path, where)]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        double = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                Exchange(double, self).hold()

            do_POST = do_DELETE = do_PUT = do_GET  # noqa: N815 (the names that http.server looks for)

            def log_message(self, format: str, *args: Any) -> None:
                """Tests read `requests`."""

        return Handler


class Exchange:
    """One request and its answer."""

    def __init__(self, double: DigitalOceanDouble, http: BaseHTTPRequestHandler) -> None:
        self.double, self.http = double, http
        self.path = urlsplit(http.path).path
        self.query = {name: values[-1] for name, values in parse_qs(urlsplit(http.path).query).items()}
        length = int(http.headers.get("Content-Length") or 0)
        self.raw = http.rfile.read(length)

    def hold(self) -> None:
        try:
            body = json.loads(self.raw) if self.raw else {}
        except ValueError:
            self._error(ApiError(400, "error parsing request body"))
            return
        self.double.requests.append((self.http.command, self.path, body))
        fault = self.double.faults.take(self.http.command, self.path)
        if fault and fault.status:
            fault.reached.set()
            self._refuse(fault)
            return
        if fault and fault.hold == "before":
            fault.reached.set()
            fault.released.wait(60)
        answer = self._outcome(body)
        if fault and fault.hold == "after":
            fault.reached.set()
            fault.released.wait(60)
        if fault and fault.lost:
            fault.reached.set()
            self.http.close_connection = True
            return
        self._send(*answer)

    def _outcome(self, body: Json) -> tuple[int, Any]:
        try:
            return self._route(body)
        except ApiError as error:
            return error.status, {"id": error.id, "message": error.message, "request_id": str(uuid.uuid4())}

    def _route(self, body: Json) -> tuple[int, Any]:
        scopes = self.double.tokens.get(self.http.headers.get("Authorization", "").removeprefix("Bearer "))
        if scopes is None:
            raise ApiError(401, "Unable to authenticate you")
        for method, pattern, needed, handle in ROUTES:
            match = re.fullmatch(pattern, self.path)
            if method != self.http.command or match is None:
                continue
            if not set(needed) <= scopes:
                raise ApiError(403, "You are not authorized to perform this operation")
            status, answer = handle(Request(self.double.cloud, scopes, match.groups(), self.query, body))
            return status, self._page(answer)
        raise ApiError(404, "The resource you were accessing could not be found.")

    def _page(self, answer: Any) -> Any:
        """A list in pages: 20 a page unless told, 200 at most."""
        name = next(iter(answer), "") if isinstance(answer, dict) else ""
        if not name or not isinstance(answer[name], list):
            return answer
        per_page, page = min(int(self.query.get("per_page", 20)), 200), int(self.query.get("page", 1))
        total = len(answer[name])
        last = max(1, -(-total // per_page))

        def link(number: int) -> str:
            return f"{self.double.url}{self.path}?{urlencode({**self.query, 'page': number})}"

        pages = {"prev": link(page - 1), "first": link(1)} if page > 1 else {}
        pages |= {"next": link(page + 1), "last": link(last)} if page < last else {}
        shown = answer[name][(page - 1) * per_page : page * per_page]
        return {name: shown, "links": {"pages": pages} if pages else {}, "meta": {"total": total}}

    def _refuse(self, fault: Fault) -> None:
        said = {429: ("too_many_requests", "API Rate limit exceeded."), 500: ("server_error", "Unexpected server-side error")}
        name, message = said.get(fault.status, ("service_unavailable", "Service temporarily unavailable"))
        self._send(fault.status, {"id": name, "message": message, "request_id": str(uuid.uuid4())}, fault.headers)

    def _error(self, error: ApiError) -> None:
        self._send(error.status, {"id": error.id, "message": error.message})

    def _send(self, status: int, answer: Any, headers: dict[str, str] | None = None) -> None:
        self.double.remaining = max(0, self.double.remaining - 1)
        content = b"" if answer is None else json.dumps(answer).encode()
        all_headers = {
            "ratelimit-limit": str(PER_HOUR),
            "ratelimit-remaining": str(self.double.remaining),
            "ratelimit-reset": str(int(time.time()) + 3600),
            "x-request-id": str(uuid.uuid4()),
            "Content-Type": "application/json; charset=utf-8",
            "Content-Length": str(len(content)),
            **(headers or {}),
        }
        try:
            self.http.send_response(status)
            for name, value in all_headers.items():
                self.http.send_header(name, value)
            self.http.end_headers()
            self.http.wfile.write(content)
        except OSError:  # the one who asked was killed meanwhile
            self.http.close_connection = True
