"""What the control plane wants a server to be: the body of ``PUT /v1/servers/{id}``."""

from __future__ import annotations

import hashlib
import json
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_serializer

from dtma_wire.base import Command

NPM_NAME = r"^(@[a-z0-9-~][a-z0-9-._~]*/)?[a-z0-9-~][a-z0-9-._~]*$"
PYPI_NAME = r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$"
EXACT_VERSION = r"^[0-9][0-9A-Za-z.+!-]*$"
REQUIREMENT = r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?([<>=!~]=?[0-9A-Za-z.*+!-]+(,[<>=!~]=?[0-9A-Za-z.*+!-]+)*)?$"
IMAGE_REFERENCE = r"^[a-z0-9]([a-z0-9._/:-]*[a-z0-9])?(:[A-Za-z0-9_][A-Za-z0-9._-]{0,127})?(@sha256:[a-f0-9]{64})?$"
VARIABLE = r"^[A-Za-z_][A-Za-z0-9_]*$"
VOLUME_NAME = r"^[a-z0-9][a-z0-9_-]{0,62}$"
ABSOLUTE_PATH = r"^/[A-Za-z0-9._/-]+$"

VariableName = Annotated[str, Field(pattern=VARIABLE, max_length=128)]


class Egress(StrEnum):
    """Which addresses outside the container a server may reach."""

    NONE = "none"
    OPEN = "open"


class NpmPackage(Command):
    """A package of the npm registry, at one exact version."""

    kind: Literal["npm"] = "npm"
    name: str = Field(pattern=NPM_NAME, max_length=214)
    version: str = Field(pattern=EXACT_VERSION, max_length=64)


class PypiPackage(Command):
    """A package of the Python Package Index, at one exact version, with further requirements where it needs them pinned."""

    kind: Literal["pypi"] = "pypi"
    name: str = Field(pattern=PYPI_NAME, max_length=214)
    version: str = Field(pattern=EXACT_VERSION, max_length=64)
    requires: tuple[Annotated[str, Field(pattern=REQUIREMENT, max_length=128)], ...] = ()


class OciImage(Command):
    """An image: one the toolbox already has, or one that its engine can pull by digest."""

    kind: Literal["oci"] = "oci"
    reference: str = Field(pattern=IMAGE_REFERENCE, max_length=512)


Source = Annotated[NpmPackage | PypiPackage | OciImage, Field(discriminator="kind")]


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


Transport = Annotated[StdioTransport | HttpTransport, Field(discriminator="kind")]


class Volume(Command):
    """A named volume of the server's own, mounted read-write at ``path``."""

    name: str = Field(pattern=VOLUME_NAME)
    path: str = Field(pattern=ABSOLUTE_PATH, max_length=255)


class Resources(Command):
    """Hard limits of the container."""

    memory_mb: int = Field(default=512, ge=32, le=65536)
    cpus: float = Field(default=1.0, ge=0.1, le=64)
    pids: int = Field(default=128, ge=8, le=4096)


class ServerSpec(Command):
    """One MCP server as it should be.

    ``generation`` grows with every change the user makes; DTMA refuses one that is older than what it knows.
    ``incarnation`` is the generation that last asked for a new container: a restart is a change of the spec, so it is neither lost nor
    done twice, whoever is killed in the middle.
    ``secrets`` become environment variables too, but are never part of a label, a log, an event or a ``repr``.
    """

    generation: int = Field(ge=1)
    incarnation: int = Field(default=0, ge=0)
    name: str = Field(min_length=1, max_length=63)
    source: Source
    transport: Transport = StdioTransport()
    arguments: tuple[Annotated[str, Field(max_length=4096)], ...] = ()
    environment: dict[VariableName, str] = {}
    secrets: dict[VariableName, SecretStr] = {}
    volumes: tuple[Volume, ...] = ()
    resources: Resources = Resources()
    egress: Egress = Egress.NONE
    desired: Literal["running", "stopped"] = "running"

    @field_serializer("secrets", when_used="json")
    def _reveal(self, secrets: dict[str, SecretStr]) -> dict[str, str]:
        return {name: secret.get_secret_value() for name, secret in secrets.items()}

    @property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of all that decides what the container is; neither the generation nor ``desired`` changes it."""
        content = self.model_dump(mode="json", exclude={"generation", "desired"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
