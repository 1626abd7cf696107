"""What ships in `mcp_registry/catalogue`: each entry is complete, pinned, asks for no more than it must, and hides what is secret."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from dtma_wire import Egress
from mcp_registry.manifest import Manifest, Setting, argument_key, parse_manifest, settings_of
from mcp_registry.models import McpServer
from mcp_registry.services.catalog import SHIPPED
from mcp_registry.spec import checked_values, spec_of

PATHS = sorted(SHIPPED.glob("*.json"))
CATEGORIES = {
    "browser", "cloud", "communication", "data", "databases", "developer", "examples", "files", "finance", "knowledge", "maps",
    "media", "memory", "observability", "productivity", "reasoning", "science", "search", "security", "time", "web",
}  # fmt: skip
SECRET_WORDS = re.compile(r"(^|_)(KEY|TOKEN|SECRET|PASSWORD|PASS|PWD|CREDENTIALS|CONNECTION_STRING)$", re.IGNORECASE)
SPDX = re.compile(r"[A-Za-z0-9.+-]+( (AND|OR|WITH) [A-Za-z0-9.+-]+)*")

every_entry = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def read(path: Path) -> tuple[dict[str, Any], Manifest]:
    document = json.loads(path.read_text())
    return document, parse_manifest(document)


def all_settings(manifest: Manifest) -> list[Setting]:
    return [setting for package in manifest.packages for setting in settings_of(package)]


def test_there_are_many_and_none_is_there_twice() -> None:
    manifests = [read(path)[1] for path in PATHS]
    assert len(manifests) >= 60
    for what in ("name", "slug", "title", "description"):
        assert [value for value, times in Counter(getattr(manifest, what) for manifest in manifests).items() if times > 1] == []
    assert {manifest.profile.category for manifest in manifests} == CATEGORIES
    required = [any(setting.required for setting in all_settings(manifest)) for manifest in manifests]
    assert 15 <= sum(required) <= len(required) - 15


@every_entry
def test_it_says_what_it_is(path: Path) -> None:
    document, manifest = read(path)
    assert manifest.slug == path.stem
    assert 3 <= len(manifest.title) <= 40
    assert 20 <= len(manifest.description) <= 100
    assert manifest.description.endswith(".")
    assert manifest.profile.category in CATEGORIES
    assert SPDX.fullmatch(manifest.profile.license)
    assert manifest.profile.tags
    assert document.get("repository", {"url": "https://"})["url"].startswith("https://")
    assert path.read_text() == json.dumps(document, indent=2, ensure_ascii=False) + "\n"


@every_entry
def test_its_package_is_pinned_and_comes_from_a_public_registry(path: Path) -> None:
    _, manifest = read(path)
    (package,) = manifest.packages
    assert package.registry_type in ("npm", "pypi")
    assert manifest.version == package.version
    assert package.registry_base_url == ""


@every_entry
def test_it_reaches_only_what_it_names(path: Path) -> None:
    profile = read(path)[1].profile
    assert all("." in item.host.removeprefix("*.") for item in profile.hosts)
    if profile.egress is Egress.OPEN:
        assert path.stem in OPEN_TO_ALL or any(_is_address(setting) for setting in all_settings(read(path)[1]))


# Their tools take any address that the agent gives.
OPEN_TO_ALL = {"discourse", "duckduckgo", "fetch", "markitdown"}


def _is_address(setting: Setting) -> bool:
    """Whether it names a place outside, or holds it."""
    return "://" in setting.placeholder or setting.key.endswith(("HOST", "URL")) or setting.key == "KUBECONFIG"


@every_entry
def test_its_settings_can_be_understood_and_its_secrets_stay_secret(path: Path) -> None:
    manifest = read(path)[1]
    for setting in all_settings(manifest):
        assert re.fullmatch(r".{8,}[.]", setting.description), setting.key
        assert setting.secret or not SECRET_WORDS.search(setting.key), f"{setting.key} looks like a secret"
        assert setting.default is None or not setting.choices or setting.default in setting.choices
        assert not (setting.secret and setting.default)
    (package,) = manifest.packages
    in_command_line = {argument_key(argument) for argument in package.package_arguments if argument.is_secret}
    assert not in_command_line, "a command line is read by every process of the container"
    assert set(manifest.profile.secret_files) <= {setting.key for setting in all_settings(manifest) if setting.secret}


@every_entry
def test_with_what_it_gives_as_examples_it_becomes_a_spec(path: Path) -> None:
    document, manifest = read(path)
    (package,) = manifest.packages
    given = {
        setting.key: setting.placeholder or (setting.choices or ("example",))[0] for setting in settings_of(package) if setting.required
    }
    secret = {setting.key for setting in settings_of(package) if setting.secret}
    config, secrets = checked_values(
        package,
        {key: value for key, value in given.items() if key not in secret},
        {key: value for key, value in given.items() if key in secret},
    )
    spec = spec_of(McpServer(name=manifest.slug, manifest=document, generation=1, config=config, secrets=secrets))
    assert not any("{" in argument for argument in spec.arguments)
    assert {volume.path for volume in spec.volumes} <= {"/data"}
