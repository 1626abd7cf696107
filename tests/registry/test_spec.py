"""From a server's row to the spec that its toolbox is given."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import SecretStr

from agentopia.lib.errors import InvalidInput
from dtma_wire import (
    Destination,
    Egress,
    HttpTransport,
    NpmPackage,
    NugetPackage,
    PypiPackage,
    Resources,
    SecretFile,
    ServerSpec,
    Sessions,
    SseTransport,
    Volume,
)
from mcp_registry.manifest import parse_manifest
from mcp_registry.models import McpServer
from mcp_registry.services.catalog import SHIPPED
from mcp_registry.spec import checked_values, checked_volumes, spec_of
from tests.conftest import server_json, with_profile

PACKAGE = server_json()["packages"][0]


def server(document: dict[str, Any], **fields: Any) -> McpServer:
    return McpServer(name="one", manifest=document, **fields)


def shipped(slug: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((SHIPPED / f"{slug}.json").read_text())
    return document


def test_an_npm_package_over_http() -> None:
    document = shipped("everything-http")
    assert spec_of(server(document)) == ServerSpec(
        generation=1,
        name="one",
        source=NpmPackage(name="@modelcontextprotocol/server-everything", version=document["version"]),
        transport=HttpTransport(port=3001, path="/mcp", host="localhost:3001"),
        arguments=("streamableHttp",),
        environment={"PORT": "3001"},
    )


def test_a_pypi_package_with_a_volume_and_a_default_inside_an_argument() -> None:
    document = shipped("sqlite")
    assert spec_of(server(document)) == ServerSpec(
        generation=1,
        name="one",
        source=PypiPackage(name="mcp-server-sqlite", version=document["version"], requires=("mcp<2",)),
        arguments=("--db-path", "/data/database.sqlite"),
        volumes=(Volume(name="data", path="/data"),),
    )


def test_what_the_user_set_reaches_environment_and_secrets() -> None:
    spec = spec_of(server(server_json(), config={"CITY": "Rome; rm -rf / $(id)"}, secrets={"API_KEY": "k-123"}))
    assert spec.environment == {"CITY": "Rome; rm -rf / $(id)"}
    assert spec.secrets["API_KEY"].get_secret_value() == "k-123"
    assert "k-123" not in repr(spec)


def test_what_the_profile_permits_and_asks_for() -> None:
    document = with_profile(
        egress="allowlist",
        hosts=["api.example.org", "*.example.org:8443", "192.0.2.7:27017", "[2001:db8::7]:5432"],
        secret_files={"API_KEY": "api-key"},
        runtime="dotnet",
        open_files=512,
        sessions={"mode": "own", "most": 2},
    )
    spec = spec_of(server(document, config={"CITY": "Rome"}, secrets={"API_KEY": "k-123"}))
    assert spec.egress is Egress.ALLOWLIST
    assert spec.allowed == (
        Destination(host="api.example.org", port=443),
        Destination(host="*.example.org", port=8443),
        Destination(host="192.0.2.7", port=27017),
        Destination(host="[2001:db8::7]", port=5432),
    )
    assert spec.secrets == {}
    assert spec.secret_files == (SecretFile(name="api-key", content=SecretStr("k-123"), variable="API_KEY"),)
    assert spec.source == NpmPackage(name=PACKAGE["identifier"], version=PACKAGE["version"], runtime="dotnet")
    assert spec.resources == Resources(open_files=512)
    assert spec.sessions == Sessions(mode="own", most=2)
    assert "k-123" not in repr(spec)


def test_a_package_of_nuget_and_the_old_transport() -> None:
    package = {"registryType": "nuget", "identifier": "Example.Weather", "version": "1.2.3"}
    listens = {"type": "sse", "url": "http://localhost:8000/sse"}
    spec = spec_of(server(server_json(packages=[{**package, "transport": listens}])))
    assert spec.source == NugetPackage(name="Example.Weather", version="1.2.3")
    assert spec.transport == SseTransport(port=8000, path="/sse", host="localhost:8000")


def test_a_shared_folder_stands_in_for_a_volume() -> None:
    document = shipped("git")
    assert spec_of(server(document, shared_volumes={"data": "work"})).volumes == (Volume(name="work", path="/data", shared=True),)


@pytest.mark.parametrize(("shared", "field"), [({"cache": "work"}, "cache"), ({"data": "../work"}, "data")])
def test_a_wrong_shared_folder_is_named(shared: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_volumes(parse_manifest(shipped("git")).profile, shared)
    assert field in caught.value.fields


def test_boolean_flags_appear_only_when_switched_on() -> None:
    flag = {"type": "named", "name": "--verbose", "format": "boolean", "default": "false"}
    document = server_json(packages=[{**PACKAGE, "packageArguments": [flag]}])
    assert spec_of(server(document)).arguments == ()
    assert spec_of(server(document, config={"verbose": "true"})).arguments == ("--verbose",)


@pytest.mark.parametrize(
    ("identifier", "version", "reference"),
    [
        ("example/weather:1", "2", "example/weather:1"),
        ("example/weather", "2", "example/weather:2"),
        ("localhost:5000/weather", "2", "localhost:5000/weather:2"),
    ],
)
def test_an_image_is_named_by_its_identifier_or_its_version(identifier: str, version: str, reference: str) -> None:
    package = {"registryType": "oci", "identifier": identifier, "version": version, "transport": {"type": "stdio"}}
    assert spec_of(server(server_json(packages=[package]))).source.model_dump()["reference"] == reference


@pytest.mark.parametrize(
    ("config", "secrets", "field", "told"),
    [
        ({}, {}, "CITY", "required"),
        ({"CITY": ""}, {}, "CITY", "required"),
        ({"CITY": "Rome", "TOWN": "x"}, {}, "TOWN", "no such setting"),
        ({"CITY": "Rome", "API_KEY": "k-canary"}, {}, "API_KEY", "secret"),
        ({"CITY": "a\x00b"}, {}, "CITY", "NUL"),
    ],
)
def test_wrong_settings_are_named_and_secrets_not_repeated(config: dict[str, str], secrets: dict[str, str], field: str, told: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        checked_values(parse_manifest(server_json()).packages[0], config, secrets)
    assert told in caught.value.fields[field]
    assert "k-canary" not in caught.value.message


@pytest.mark.parametrize(
    ("kind", "value", "good"),
    [("number", "3.5", True), ("number", "three", False), ("boolean", "yes", True), ("boolean", "perhaps", False)],
)
def test_values_are_checked_by_their_format(kind: str, value: str, good: bool) -> None:
    variable = {"name": "X", "format": kind}
    package = parse_manifest(server_json(packages=[{**PACKAGE, "environmentVariables": [variable]}])).packages[0]
    if good:
        checked_values(package, {"X": value}, {})
    else:
        with pytest.raises(InvalidInput):
            checked_values(package, {"X": value}, {})


def test_choices_are_kept_to() -> None:
    variable = {"name": "UNIT", "choices": ["c", "f"]}
    package = parse_manifest(server_json(packages=[{**PACKAGE, "environmentVariables": [variable]}])).packages[0]
    assert checked_values(package, {"UNIT": "c"}, {}) == ({"UNIT": "c"}, {})
    with pytest.raises(InvalidInput, match="c, f"):
        checked_values(package, {"UNIT": "k"}, {})
