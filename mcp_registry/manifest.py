"""The part of the official registry's ``server.json`` that Agentopia understands (schema 2025-12-11).

Unknown fields are kept in the catalogue but not looked at. What comes from outside passes `mcp_registry.importing.documents` first, which
puts its ``runtimeArguments`` into our own terms and leaves out what cannot run here. Our permission profile lies in the publisher's slot:
``_meta["io.modelcontextprotocol.registry/publisher-provided"]["agentopia"]``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from django.db.models.fields.json import KeyTransform
from packaging.version import InvalidVersion, Version
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from agentopia.lib.errors import InvalidInput
from dtma_wire import Destination, Egress, Resources, Sessions, Volume
from dtma_wire.specs import EXACT_VERSION, FILE_NAME, REQUIREMENT, VARIABLE

ACRONYMS = ("api", "db", "http", "https", "id", "ip", "sql", "ssl", "tls", "url")
_WEB = re.compile(r"https?://\S+$")
_HOST_AND_PORT = re.compile(r"(.+):([0-9]{1,5})")
PUBLISHER_SLOT = "io.modelcontextprotocol.registry/publisher-provided"
NOTES_SLOT = "io.agentopia/import"
"""What of a document was left out when it came here, and why: ``{"notes": ["a sentence"]}``."""
_EXACT = {
    "npm": re.compile(r"\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"),
    "nuget": re.compile(r"\d+(\.\d+){1,3}(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"),
}


def profile_in(column: str) -> KeyTransform:
    """The permission profile in a column that holds a manifest, for the database."""
    return KeyTransform("agentopia", KeyTransform(PUBLISHER_SLOT, KeyTransform("_meta", column)))


class Part(BaseModel):
    """A part of the document; fields that we do not know are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True)


class Input(Part):
    """A value that is given, or asked of the user (`Input` in the schema)."""

    description: str = ""
    is_required: bool = Field(default=False, alias="isRequired")
    is_secret: bool = Field(default=False, alias="isSecret")
    format: Literal["string", "number", "boolean", "filepath"] = "string"
    value: str | None = None
    default: str | None = None
    placeholder: str = ""
    choices: list[str] = []


class InputWithVariables(Input):
    variables: dict[str, Input] = {}


class EnvironmentVariable(InputWithVariables):
    name: Annotated[str, Field(pattern=VARIABLE)]


class Header(InputWithVariables):
    name: str


class PositionalArgument(InputWithVariables):
    type: Literal["positional"]
    is_repeated: bool = Field(default=False, alias="isRepeated")
    value_hint: str = Field(default="", alias="valueHint")


class NamedArgument(InputWithVariables):
    type: Literal["named"]
    name: str
    is_repeated: bool = Field(default=False, alias="isRepeated")


Argument = Annotated[PositionalArgument | NamedArgument, Field(discriminator="type")]


class Transport(Part):
    type: Literal["stdio", "streamable-http", "sse"]
    url: str = ""

    @property
    def label(self) -> str:
        """In a word or two."""
        return {"stdio": "stdio", "streamable-http": "HTTP", "sse": "HTTP+SSE"}[self.type]


class Remote(Part):
    """Where a server runs already, at somebody else's."""

    type: Literal["streamable-http", "sse"]
    url: str = Field(min_length=1, max_length=500)
    headers: list[Header] = []

    @property
    def address(self) -> str:
        """Its address where a browser may open it, else empty."""
        return _web_address(self.url)

    @property
    def label(self) -> str:
        """In a word or two."""
        return Transport(type=self.type).label


class Package(Part):
    registry_type: Literal["npm", "pypi", "nuget", "oci"] = Field(alias="registryType")
    registry_base_url: str = Field(default="", alias="registryBaseUrl")
    identifier: str = Field(min_length=1)
    version: str = ""
    transport: Transport = Transport(type="stdio")
    runtime_hint: str = Field(default="", alias="runtimeHint")
    package_arguments: list[Argument] = Field(default=[], alias="packageArguments")
    environment_variables: list[EnvironmentVariable] = Field(default=[], alias="environmentVariables")

    @property
    def registry(self) -> str:
        """Where it comes from, as its users call that."""
        return {"npm": "npm", "pypi": "PyPI", "nuget": "NuGet", "oci": "OCI image"}[self.registry_type]

    @model_validator(mode="after")
    def _pinned(self) -> Self:
        if self.registry_type == "oci":
            return self  # the toolbox notes the digest that a tag means when it pulls
        if not is_exact(self.registry_type, self.version):
            raise ValueError(
                f"the package {self.identifier} needs one exact version, such as 1.2.3, not “{self.version or 'latest'}”: "
                "what runs here is built once and does not change by itself"
            )
        host = urlsplit(self.registry_base_url).hostname or ""
        # The public registries are named after their kind. A toolbox installs from these alone, and a package of the
        # same name may stand there for something else.
        if host and not f".{host}".endswith((f".{self.registry_type}.org", f".{self.registry_type}js.org")):
            raise ValueError(f"the package {self.identifier} comes from {host}; toolboxes install from the public registries only")
        return self


def is_exact(registry_type: str, version: str) -> bool:
    """Whether a version of a package means one and the same for ever: no range, no tag, no part of a version."""
    if len(version) > 64 or not re.fullmatch(EXACT_VERSION, version):
        return False
    if registry_type in _EXACT:
        return _EXACT[registry_type].fullmatch(version) is not None
    try:
        Version(version)
    except InvalidVersion:
        return False
    return True


def _destination(value: Any) -> Any:
    """``api.example.org``, ``*.example.org:443``, ``192.0.2.7:27017`` or ``[2001:db8::7]:5432``; without a port, 443."""
    if not isinstance(value, str):
        return value
    found = _HOST_AND_PORT.fullmatch(value)
    return {"host": value} if found is None else {"host": found[1], "port": int(found[2])}


Host = Annotated[Destination, BeforeValidator(_destination)]


class Profile(Part):
    """The permissions that an entry asks for. A misspelt one must not become a wider one, so unknown fields are refused.

    ``hosts`` are what a server with egress ``allowlist`` may reach. ``secret_files`` says which variables are given the path of a file
    in memory that holds their value, by the name of the file.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    category: str = Field(default="", max_length=40)
    license: str = Field(default="", max_length=100)
    tags: tuple[Annotated[str, Field(max_length=60)], ...] = Field(default=(), max_length=30)
    egress: Egress = Egress.NONE
    hosts: tuple[Host, ...] = ()
    volumes: tuple[Volume, ...] = ()
    memory_mb: int = Resources().memory_mb
    cpus: float = Resources().cpus
    pids: int = Resources().pids
    open_files: int = Resources().open_files
    tmp_mb: int = Resources().tmp_mb
    runtime: Literal["", "dotnet"] = ""
    sessions: Sessions = Sessions()
    secret_files: dict[Annotated[str, Field(pattern=VARIABLE)], Annotated[str, Field(pattern=FILE_NAME)]] = {}
    requires: tuple[Annotated[str, Field(pattern=REQUIREMENT)], ...] = ()

    @model_validator(mode="after")
    def _hosts_belong_to_an_allowlist(self) -> Self:
        if (self.egress is Egress.ALLOWLIST) != bool(self.hosts):
            raise ValueError("egress “allowlist” needs hosts, and hosts need egress “allowlist”")
        return self


class Repository(Part):
    url: str = ""


class Manifest(Part):
    """A `server.json` with at least one package that can run in a container, or with the address of a server that runs elsewhere."""

    name: str = Field(pattern=r"^[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+$", min_length=3, max_length=200)
    title: str = Field(default="", max_length=100)
    description: str = Field(min_length=1, max_length=300)
    version: str = Field(min_length=1, max_length=255)
    website: str = Field(default="", alias="websiteUrl", max_length=500)
    repository: Repository = Repository()
    remotes: list[Remote] = []
    packages: list[Package] = Field(default=[], validate_default=True)
    meta: dict[str, Any] = Field(default={}, alias="_meta")
    profile: Profile = Profile()

    @model_validator(mode="before")
    @classmethod
    def _take_profile(cls, document: Any) -> Any:
        if not isinstance(document, dict):
            return document
        meta = document.get("_meta")
        publisher = meta.get(PUBLISHER_SLOT) if isinstance(meta, dict) else None
        return {**document, "profile": (publisher.get("agentopia") if isinstance(publisher, dict) else None) or {}}

    @field_validator("packages", mode="after")
    @classmethod
    def _something_to_run(cls, packages: list[Package], info: ValidationInfo) -> list[Package]:
        if not packages and not info.data.get("remotes"):
            raise ValueError("it names no package, and no address of a server that runs elsewhere")
        return packages

    @property
    def notes(self) -> tuple[str, ...]:
        """What was left out of the document when it came here, a sentence each."""
        slot = self.meta.get(NOTES_SLOT)
        notes = slot.get("notes") if isinstance(slot, dict) else None
        return tuple(str(note)[:500] for note in notes[:20]) if isinstance(notes, list) else ()

    @property
    def undeployable(self) -> str:
        """Why there is nothing to deploy; empty where there is."""
        if self.packages:
            return ""
        where = ", ".join(remote.url for remote in self.remotes[:3])
        return f"This server runs at {where}, and not on a toolbox: there is no package of it to deploy. Connect to it at that address."

    @property
    def repository_url(self) -> str:
        """Where its source is; empty where it says none that a browser may open."""
        return _web_address(self.repository.url)

    @property
    def website_url(self) -> str:
        """Its home page; empty likewise."""
        return _web_address(self.website)

    @property
    def slug(self) -> str:
        """The last part of the name, as a server may be called."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.rsplit("/", 1)[1].lower()).strip("-")[:50]


def _web_address(text: str) -> str:
    return text if text.startswith(("https://", "http://")) and len(text) <= 500 else ""


@dataclass(frozen=True)
class Setting:
    """Something a user may or must give. ``key`` is how `config` and `secrets` name it."""

    key: str
    label: str
    description: str
    required: bool
    secret: bool
    default: str | None
    choices: tuple[str, ...]
    format: str
    placeholder: str
    repeated: bool = False
    """It may be given several times, a line each."""

    @property
    def kind(self) -> Literal["secret", "choice", "boolean", "lines", "number", "path", "url", "text"]:
        """What is to be typed. That it is an address is said by its name or its example; the schema has no word for it."""
        if self.secret:
            return "secret"
        if self.choices:
            return "choice"
        if self.format == "boolean":
            return "boolean"
        if self.repeated:
            return "lines"
        if self.format == "number":
            return "number"
        if self.format == "filepath":
            return "path"
        example = self.placeholder or self.default or ""
        named = self.key.lower().replace("-", "_").rsplit("_", 1)[-1] in ("url", "uri")
        return "url" if "://" in example and " " not in example and (named or _WEB.match(example)) else "text"


def parse_manifest(document: Any) -> Manifest:
    """Read a ``server.json``; raises `InvalidInput` that names each part which cannot be used."""
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        fields = {".".join(map(str, item["loc"])) or "server.json": item["msg"].removeprefix("Value error, ") for item in error.errors()}
        summary = "; ".join(f"{name}: {text}" for name, text in fields.items())
        raise InvalidInput(f"This server.json cannot be used. {summary}", code="invalid_manifest", fields=fields) from None


def package_of_document(document: Any, index: int = 0) -> Package:
    """One package of a document that was accepted before."""
    return Manifest.model_validate(document).packages[index]


def settings_of(package: Package) -> list[Setting]:
    """What can be set, in the order in which the document lists it; fixed values are no settings."""
    return list({setting.key: setting for setting in _settings_of(package)}.values())


def _settings_of(package: Package) -> Iterator[Setting]:
    for variable in package.environment_variables:
        yield from _settings_of_input(variable.name, variable)
    for argument in package.package_arguments:
        yield from _settings_of_input(argument_key(argument), argument)


def _settings_of_input(key: str, given: InputWithVariables) -> Iterator[Setting]:
    if given.value is None:
        yield _setting(key, given)
    else:
        for name, variable in given.variables.items():
            if variable.value is None:
                yield _setting(name, variable)


def _setting(key: str, given: Input) -> Setting:
    return Setting(
        key=key,
        label=_label(key),
        description=given.description,
        required=given.is_required and given.default is None,
        secret=given.is_secret,
        default=given.default,
        choices=tuple(given.choices),
        format=given.format,
        placeholder=given.placeholder,
        repeated=isinstance(given, PositionalArgument | NamedArgument) and given.is_repeated,
    )


def _label(key: str) -> str:
    words = [word.upper() if word in ACRONYMS else word for word in re.split(r"[_-]+", key.strip("-_").lower())]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def argument_key(argument: PositionalArgument | NamedArgument) -> str:
    """How an argument's value is named in `config`."""
    return argument.name.lstrip("-").rstrip("=") if isinstance(argument, NamedArgument) else argument.value_hint or "argument"
