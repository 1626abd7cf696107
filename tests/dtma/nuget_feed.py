"""A NuGet feed on the loopback (NuGet Server API v3), and tool packages for it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def tool_package(folders: Mapping[str, Mapping[str, bytes]]) -> bytes:
    """A nupkg with these files, by their folder."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for folder, files in folders.items():
            for name, data in files.items():
                archive.writestr(f"{folder}/{name}", data)
    return content.getvalue()


def settings(entry: str, runner: str = "dotnet") -> bytes:
    """A ``DotnetToolSettings.xml`` that names a command."""
    command = f'<Command Name="greet" EntryPoint="{entry}" Runner="{runner}" />'
    return f'<?xml version="1.0"?><DotNetCliTool Version="1"><Commands>{command}</Commands></DotNetCliTool>'.encode()


def pointer(**packages: str) -> bytes:
    """One that names other packages by runtime identifier, with _ for -."""
    listed = "".join(
        f'<RuntimeIdentifierPackage RuntimeIdentifier="{runtime.replace("_", "-")}" Id="{package}" />'
        for runtime, package in packages.items()
    )
    return f'<DotNetCliTool Version="2"><RuntimeIdentifierPackages>{listed}</RuntimeIdentifierPackages></DotNetCliTool>'.encode()


class Feed:
    """What it serves; ``asked`` are the paths that were."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.asked: list[str] = []
        self.documents: dict[str, bytes] = {}
        resources = [
            {"@id": f"{url}/flat/", "@type": "PackageBaseAddress/3.0.0"},
            {"@id": f"{url}/registration/", "@type": "RegistrationsBaseUrl/3.6.0"},
        ]
        self._put("/index.json", {"version": "3.0.0", "resources": resources})

    def add(self, name: str, version: str, package: bytes, *, sha512: bytes | None = None) -> None:
        """Publish a package; ``sha512`` is what the catalogue says of it, where that is not true."""
        name = name.lower()
        self.documents[f"/flat/{name}/{version}/{name}.{version}.nupkg"] = package
        self._put(f"/registration/{name}/{version}.json", {"catalogEntry": f"{self.url}/catalog/{name}.{version}.json"})
        found = base64.b64encode(sha512 or hashlib.sha512(package).digest()).decode()
        self._put(f"/catalog/{name}.{version}.json", {"id": name, "packageHash": found, "packageHashAlgorithm": "SHA512"})

    def _put(self, path: str, document: dict[str, object]) -> None:
        self.documents[path] = json.dumps(document).encode()


@contextmanager
def serving(tls: ssl.SSLContext | None = None) -> Iterator[Feed]:
    """A feed, for as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            feed.asked.append(self.path)
            found = feed.documents.get(self.path)
            self.send_response(404 if found is None else 200)
            self.send_header("Content-Length", str(len(found or b"")))
            self.end_headers()
            self.wfile.write(found or b"")

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        feed = Feed(f"http://127.0.0.1:{server.server_port}")
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            feed = Feed(f"https://localhost:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield feed
        server.shutdown()
