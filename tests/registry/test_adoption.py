"""From a spec that a toolbox has back to what a user would have entered: the way there and back leads to the same spec."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from dtma_wire import (
    Destination,
    Egress,
    HttpTransport,
    NpmPackage,
    NugetPackage,
    OciImage,
    PypiPackage,
    Resources,
    RestartPolicy,
    SecretFile,
    ServerSpec,
    Sessions,
    SseTransport,
    Volume,
)
from mcp_registry.adoption import wish_of
from mcp_registry.manifest import package_of_document, settings_of
from mcp_registry.models import McpServer
from mcp_registry.services.catalog import SHIPPED
from mcp_registry.spec import spec_of

SOURCES = {
    "npm": NpmPackage(name="@example/weather", version="1.2.3"),
    "npm with .NET": NpmPackage(name="@azure/mcp", version="1.0.0-beta.2", runtime="dotnet"),
    "pypi": PypiPackage(name="mcp-server-git", version="2025.1.1", requires=("mcp<2", "httpx[http2]>=0.27")),
    "pypi with .NET": PypiPackage(name="azure-mcp", version="1.0", runtime="dotnet"),
    "nuget": NugetPackage(name="Example.Mcp", version="3.1.0"),
    "tag": OciImage(reference="registry.example.org:5000/team/image:1.0"),
    "digest": OciImage(reference="ghcr.io/example/image@sha256:" + "a" * 64),
    "no tag": OciImage(reference="example"),
}
TRANSPORTS = {
    "http": HttpTransport(port=3001, path="/mcp", host="localhost:3001"),
    "http on 80": HttpTransport(port=80, path="/", host="localhost"),
    "sse": SseTransport(port=8080, path="/events/sse", host="127.0.0.1:8080"),
    "IPv6": HttpTransport(port=9000, path="/mcp", host="[::1]:9000"),
}


def spec(**changes: Any) -> ServerSpec:
    return ServerSpec(**{"generation": 4, "incarnation": 2, "name": "weather", "source": SOURCES["npm"], **changes})


def there_and_back(given: ServerSpec) -> ServerSpec:
    wish = wish_of(given)
    server = McpServer(
        name=given.name, generation=given.generation, incarnation=given.incarnation, desired=given.desired,
        manifest=json.loads(json.dumps(wish.manifest)), config=wish.config, secrets=wish.secrets, shared_volumes=wish.shared_volumes,
        overrides=wish.overrides,
    )  # fmt: skip
    return spec_of(server)


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_source(name: str) -> None:
    assert there_and_back(spec(source=SOURCES[name])) == spec(source=SOURCES[name])


@pytest.mark.parametrize("name", TRANSPORTS)
def test_every_transport(name: str) -> None:
    assert there_and_back(spec(transport=TRANSPORTS[name])) == spec(transport=TRANSPORTS[name])


def test_all_else_that_a_spec_can_say() -> None:
    given = spec(
        arguments=("--flag", "", "a b {c} $(d)", "--token", "k-1"),
        environment={"CITY": "Rome", "EMPTY": "", "BRACES": "{CITY}"},
        secrets={"API_KEY": SecretStr("k-2")},
        secret_files=(SecretFile(name="key.pem", content=SecretStr("k-3"), variable="KEY_FILE"),),
        volumes=(
            Volume(name="data", path="/data"),
            Volume(name="data", path="/work", shared=True),
            Volume(name="docs", path="/docs", shared=True, read_only=True),
        ),
        resources=Resources(memory_mb=700, cpus=1.5, pids=64, open_files=512, tmp_mb=32),
        egress=Egress.ALLOWLIST,
        allowed=(Destination(host="*.example.org", port=8443), Destination(host="[2001:db8::7]", port=5432)),
        sessions=Sessions(mode="own", most=3, idle_seconds=60),
        restart=RestartPolicy.ON_FAILURE,
        desired="stopped",
    )
    assert there_and_back(given) == given
    assert there_and_back(given).fingerprint == given.fingerprint


@pytest.mark.parametrize("path", sorted(SHIPPED.glob("*.json")), ids=lambda path: path.stem)
def test_every_entry_that_ships(path: Any) -> None:
    document = json.loads(path.read_text())
    values = {setting.key: setting.choices[0] if setting.choices else "1" for setting in settings_of(package_of_document(document))}
    given = spec_of(McpServer(name="one", manifest=document, config=values))
    assert there_and_back(given) == given


def test_nothing_that_may_be_secret_is_kept_in_plain() -> None:
    given = spec(
        arguments=("--token", "canary-1"),
        secrets={"API_KEY": SecretStr("canary-2")},
        secret_files=(SecretFile(name="key", content=SecretStr("canary-3"), variable="KEY_FILE"),),
    )
    wish = wish_of(given)
    assert "canary" not in json.dumps([wish.manifest, wish.config, wish.shared_volumes])


@pytest.mark.parametrize("name", ["Ünïcode & more", "a" * 63, "--"])
def test_whatever_it_is_called(name: str) -> None:
    assert there_and_back(spec(name=name)) == spec(name=name)
