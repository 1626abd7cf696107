"""What the control plane wants a server to be: the body of ``PUT /v1/servers/{id}``."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_serializer

from tests.wire.v3.base import Command

NPM_NAME = r"^(@[a-z0-9-~][a-z0-9-._~]*/)?[a-z0-9-~][a-z0-9-._~]*$"
PYPI_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
NUGET_NAME = r"^[A-Za-z0-9_]([A-Za-z0-9._-]*[A-Za-z0-9_])?$"
EXACT_VERSION = r"^[0-9][0-9A-Za-z.+!-]*$"
REQUIREMENT = r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?([<>=!~]=?[0-9A-Za-z.*+!-]+(,[<>=!~]=?[0-9A-Za-z.*+!-]+)*)?$"
IMAGE_REFERENCE = r"^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
VOLUME_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
ABSOLUTE_PATH = r"^/[A-Za-z0-9._/-]+$"
FILE_NAME = r"^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$"
HOST_PATTERN = r"^(\*\.)?[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*$|^\[[0-9A-Fa-f:]+\]$"

VariableName = Annotated[str, Field(pattern=VARIABLE, max_length=128)]


class Egress(StrEnum):
    """Which addresses outside the container a server may reach."""

    NONE = "none"
    ALLOWLIST = "allowlist"
    OPEN = "open"


class Destination(Command):
    """What a server with egress ``allowlist`` may reach: a host name, all names below one (``*.example.org``), or an address.

    A name that resolves to a private address stays unreachable; an address that is named here is meant.
    """

    host: str = Field(pattern=HOST_PATTERN, max_length=253)
    port: int = Field(default=443, ge=1, le=65535)


class NpmPackage(Command):
    """A package of the npm registry, at one exact version. ``runtime`` is what its command needs: a C# server may come from npm too."""

    kind: Literal["npm"] = "npm"
    name: str = Field(pattern=NPM_NAME, max_length=214)
    version: str = Field(pattern=EXACT_VERSION, max_length=64)
    runtime: Literal["node", "dotnet"] = "node"


class PypiPackage(Command):
    """A package of the Python Package Index, at one exact version, with further requirements where it needs them pinned."""

    kind: Literal["pypi"] = "pypi"
    name: str = Field(pattern=PYPI_NAME, max_length=214)
    version: str = Field(pattern=EXACT_VERSION, max_length=64)
    requires: tuple[Annotated[str, Field(pattern=REQUIREMENT, max_length=128)], ...] = ()
    runtime: Literal["python", "dotnet"] = "python"


class NugetPackage(Command):
    """A tool package of NuGet (C#), at one exact version; it needs the .NET runtime image, which this toolbox must be able to pull."""

    kind: Literal["nuget"] = "nuget"
    name: str = Field(pattern=NUGET_NAME, max_length=100)
    version: str = Field(pattern=EXACT_VERSION, max_length=64)


class OciImage(Command):
    """An image: one the toolbox already has, or one that its engine can pull by digest."""

    kind: Literal["oci"] = "oci"
    reference: str = Field(pattern=IMAGE_REFERENCE, max_length=512)


Source = Annotated[NpmPackage | PypiPackage | NugetPackage | OciImage, Field(discriminator="kind")]


class StdioTransport(Command):
    """The server speaks MCP on its standard input and output."""

    kind: Literal["stdio"] = "stdio"


class HttpTransport(Command):
    """The server speaks Streamable HTTP inside its container.

    ``host`` is the Host header that it is sent: most servers accept only the one they were written for.
    """

    kind: Literal["http"] = "http"
    port: int = Field(ge=1, le=65535)
    path: str = Field(default="/mcp", pattern=r"^/[A-Za-z0-9._~/-]*$", max_length=256)
    host: str = Field(default="localhost", pattern=r"^[A-Za-z0-9.:\[\]-]+$", max_length=255)


class SseTransport(Command):
    """The server speaks the old HTTP+SSE transport (MCP 2024-11-05) inside its container; ``path`` is that of its event stream."""

    kind: Literal["sse"] = "sse"
    port: int = Field(ge=1, le=65535)
    path: str = Field(default="/sse", pattern=r"^/[A-Za-z0-9._~/-]*$", max_length=256)
    host: str = Field(default="localhost", pattern=r"^[A-Za-z0-9.:\[\]-]+$", max_length=255)


Transport = Annotated[StdioTransport | HttpTransport | SseTransport, Field(discriminator="kind")]


class Volume(Command):
    """A named volume, mounted at ``path``: the server's own, or with ``shared`` one that several servers of the toolbox work on."""

    name: str = Field(pattern=VOLUME_NAME)
    path: str = Field(pattern=ABSOLUTE_PATH, max_length=255)
    shared: bool = False
    read_only: bool = False


class SecretFile(Command):
    """A secret that the server reads from a file in memory, ``/run/secrets/NAME``; ``variable`` then holds that path."""

    name: str = Field(pattern=FILE_NAME)
    content: SecretStr
    variable: VariableName | None = None

    @field_serializer("content", when_used="json")
    def _reveal(self, content: SecretStr) -> str:
        return content.get_secret_value()


class Sessions(Command):
    """How clients share a server: all of them one container, or each MCP session a container of its own, for servers that keep
    something between calls which belongs to one client (a browser). ``most`` containers run at once; one that nobody used for
    ``idle_seconds`` ends.
    """

    mode: Literal["shared", "own"] = "shared"
    most: int = Field(default=4, ge=1, le=64)
    idle_seconds: int = Field(default=600, ge=1, le=86_400)


class Resources(Command):
    """Hard limits of the container."""

    memory_mb: int = Field(default=512, ge=32, le=65536)
    cpus: float = Field(default=1.0, ge=0.1, le=64)
    pids: int = Field(default=128, ge=8, le=4096)
    open_files: int = Field(default=4096, ge=64, le=1_048_576)
    tmp_mb: int = Field(default=64, ge=1, le=16_384)


class ServerSpec(Command):
    """One MCP server as it should be.

    ``generation`` grows with every change the user makes; DTMA refuses one that is older than what it knows.
    ``incarnation`` is the generation that last asked for a new container: a restart is a change of the spec, so it is neither lost nor
    done twice, whoever is killed in the middle.
    ``secrets`` become environment variables too and ``secret_files`` files in memory; neither is ever part of a label, a log, an event
    or a ``repr``. ``allowed`` counts with egress ``allowlist`` alone.
    """

    generation: int = Field(ge=1)
    incarnation: int = Field(default=0, ge=0)
    name: str = Field(min_length=1, max_length=63)
    source: Source
    transport: Transport = StdioTransport()
    arguments: tuple[Annotated[str, Field(max_length=4096)], ...] = ()
    environment: dict[VariableName, str] = {}
    secrets: dict[VariableName, SecretStr] = {}
    secret_files: tuple[SecretFile, ...] = ()
    volumes: tuple[Volume, ...] = ()
    resources: Resources = Resources()
    egress: Egress = Egress.NONE
    allowed: tuple[Destination, ...] = ()
    sessions: Sessions = Sessions()
    desired: Literal["running", "stopped"] = "running"

    @field_serializer("secrets", when_used="json")
    def _reveal(self, secrets: dict[str, SecretStr]) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in secrets.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that decides what the container is; neither the generation nor ``desired`` changes it."""
        content = self.model_dump(mode="json", exclude={"generation", "desired"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
