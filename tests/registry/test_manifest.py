"""Reading a registry's server.json."""

from __future__ import annotations

from typing import Any

import pytest

from agentopia.lib.errors import InvalidInput
from mcp_registry.manifest import parse_manifest, settings_of
from tests.conftest import server_json, with_profile

PACKAGE = server_json()["packages"][0]


def with_package(**changes: Any) -> dict[str, Any]:
    return server_json(packages=[{**PACKAGE, **changes}])


def test_settings_are_what_has_no_fixed_value() -> None:
    settings = settings_of(parse_manifest(server_json()).packages[0])
    assert [(setting.key, setting.required, setting.secret) for setting in settings] == [("CITY", True, False), ("API_KEY", False, True)]


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ([], "server.json"),
        (server_json(name="weather"), "name"),
        (server_json(packages=[]), "packages"),
        ({"name": "org.example/weather"}, "packages"),
        (with_package(version="latest"), "exact version"),
        (with_package(version="^1.0"), "exact version"),
        (with_package(version=None), "version"),
        (with_profile(egress="allowlist"), "needs hosts"),
        (with_profile(hosts=["api.example.org"]), "need egress"),
        (with_profile(egress="allowlist", hosts=["api.example.org:99999"]), "65535"),
        (with_profile(egress="allowlist", hosts=["api.*.org"]), "hosts"),
        (with_profile(secret_files={"KEY": "../key"}), "secret_files"),
        (with_package(registryType="cargo"), "registryType"),
        (with_package(registryBaseUrl="https://packages.example.org"), "packages.example.org"),
        (with_package(environmentVariables=[{"name": "A B"}]), "environmentVariables"),
        (with_profile(egress="everything"), "egress"),
        (with_profile(egres="none"), "egres"),
        (with_profile(volumes=[{"name": "data", "path": "../etc"}]), "path"),
        (with_profile(requires=["evil; rm -rf /"]), "requires"),
    ],
)
def test_what_cannot_be_used_is_named(document: Any, told: str) -> None:
    with pytest.raises(InvalidInput, match="cannot be used") as caught:
        parse_manifest(document)
    assert told in caught.value.message


def test_labels_are_for_people() -> None:
    settings = settings_of(parse_manifest(server_json()).packages[0])
    assert [setting.label for setting in settings] == ["City", "API key"]


def test_unknown_fields_are_ignored() -> None:
    assert parse_manifest(server_json(icons=[{"src": "https://example.org/i.png"}], future={"a": 1})).name == "org.example/weather"
