"""A server.json from outside, as it can be used."""

from __future__ import annotations

from typing import Any

import pytest

from agentopia.lib.errors import InvalidInput
from dtma_wire import HttpTransport, Volume
from mcp_registry.importing.documents import usable_document
from mcp_registry.importing.offered import moment_of, offered_in
from mcp_registry.manifest import Manifest, parse_manifest, settings_of
from mcp_registry.models import McpServer
from mcp_registry.services.entries import Given
from mcp_registry.spec import spec_of
from tests.doubles.mcp_registry import document, listed

IMAGE = {"registryType": "oci", "identifier": "docker.io/example/weather:1.2"}


def read(**changes: Any) -> Manifest:
    return parse_manifest(usable_document(document(**changes)))


def named(name: str, value: str | None = None, **more: Any) -> dict[str, Any]:
    return {"type": "named", "name": name, **({} if value is None else {"value": value}), **more}


def image(*arguments: dict[str, Any], **more: Any) -> Manifest:
    return read(packages=[{**IMAGE, "runtimeHint": "docker", "runtimeArguments": list(arguments), **more}])


def refusal(**changes: Any) -> str:
    with pytest.raises(InvalidInput) as caught:
        read(**changes)
    return caught.value.message


def test_volumes_of_docker_become_those_of_the_entry() -> None:
    manifest = image(
        named("-v", "weather-data:/var/data"),
        named("--volume=Cache.Dir:/cache:ro"),
        named("--mount", "type=volume,source=more,target=/more,readonly"),
        {"type": "positional", "value": "-v"},
        {"type": "positional", "value": "/anonymous"},
        {"type": "positional", "value": "--volume=weather-data:/second"},
    )
    assert manifest.profile.volumes == (
        Volume(name="weather-data", path="/var/data"),
        Volume(name="cache-dir", path="/cache", read_only=True),
        Volume(name="more", path="/more", read_only=True),
        Volume(name="anonymous", path="/anonymous"),
        Volume(name="weather-data-2", path="/second"),
    )


def test_variables_of_docker_become_settings_and_fixed_values() -> None:
    manifest = image(
        named("-e", "MODE=stdio"),
        named("--env", "URL=https://{host}/", variables={"host": {"isRequired": True}}),
        named("-e", "TOKEN", isRequired=True, isSecret=True),
        named("-e", "KNOWN"),
        environmentVariables=[{"name": "KNOWN", "default": "x"}],
    )
    settings = {setting.key: (setting.required, setting.secret) for setting in settings_of(manifest.packages[0])}
    assert settings == {"KNOWN": (False, False), "host": (True, False), "TOKEN": (True, True)}
    given = {"config": {"host": "example.org"}, "secrets": {"TOKEN": "t"}}
    spec = spec_of(McpServer(name="x", manifest=manifest.model_dump(by_alias=True, mode="json"), generation=1, **given))
    assert spec.environment == {"KNOWN": "x", "MODE": "stdio", "URL": "https://example.org/"}


def test_what_every_container_has_anyway_is_left_out_and_limits_are_taken_over() -> None:
    ignored = [
        named("--rm"),
        named("-i"),
        named("-it"),
        named("--init"),
        named("--user", "1000"),
        named("--name=x"),
        named("--pull=always"),
    ]
    manifest = image(*ignored, named("--network", "none"), named("-m", "1g"), named("--cpus", "1.5"))
    assert (manifest.profile.egress.value, manifest.profile.memory_mb, manifest.profile.cpus) == ("none", 1024, 1.5)
    assert "runtimeArguments" not in usable_document(document(packages=[{**IMAGE, "runtimeArguments": ignored}]))["packages"][0]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([named("-v", "/home/me:/data")], "mounts files of the machine"),
        ([named("-v", "./data:/data")], "mounts files of the machine"),
        ([named("-v", "~/data:/data")], "mounts files of the machine"),
        ([named("-v", "C:\\data:/data")], "mounts files of the machine"),
        ([named("-v", "$HOME:/data")], "mounts files of the machine"),
        ([named("-v", "{folder}:/data")], "mounts files of the machine"),
        ([named("-v", None, isRequired=True)], "mounts files of the machine"),
        ([named("-v", "a/b:/data")], "mounts files of the machine"),
        ([named("-v", "/var/run/docker.sock:/var/run/docker.sock")], "mounts files of the machine"),
        ([named("--mount", "type=bind,source=/,target=/host")], "mounts files of the machine"),
        ([named("--mount", "src=/etc,dst=/x")], "mounts files of the machine"),
        ([named("--mount", "type=volume,src=a,dst=/x,volume-opt=device=/dev/sda")], "no plain volume"),
        ([named("-v", "data:/proc")], "belongs to the system"),
        ([named("-v", "data:/a/../etc")], "no folder of a container"),
        ([named("-v", "data:/x:shared")], "options shared"),
        ([named("--network", "host")], "joins a network of the machine"),
        ([named("--net=container:other")], "joins a network of the machine"),
        ([named("--privileged")], "all rights"),
        ([named("--cap-add", "SYS_ADMIN")], "further rights"),
        ([named("-p", "8080:80")], "opens a port"),
        ([named("--publish=80:80")], "opens a port"),
        ([named("--entrypoint", "/bin/sh")], "another program"),
        ([named("--security-opt", "seccomp=unconfined")], "shut in"),
        ([named("--pid", "host")], "processes"),
        ([named("--device=/dev/kvm")], "device"),
        ([named("--add-host", "a:host-gateway")], "names lead"),
        ([named("--env-file", "/etc/environment")], "reads a file"),
        ([named("--gpus", "all")], "graphics"),
        ([named("--cgroup-parent", "/x")], "`--cgroup-parent` is nothing that a toolbox knows"),
        ([{"type": "positional", "value": "; rm -rf /"}], "is nothing that a toolbox knows"),
        ([named("-e", "A B=1")], "names no environment variable"),
        ([named("-e")], "lacks its value"),
        ([named("-m", "lots")], "no amount of memory"),
        (["text"], "something else than arguments"),
        ("text", "no list"),
    ],
)
def test_what_reaches_out_of_the_container_is_refused_with_the_reason(arguments: Any, told: str) -> None:
    assert told in refusal(packages=[{**IMAGE, "runtimeArguments": arguments}])


def test_installers_have_little_to_say() -> None:
    package = document()["packages"][0]
    assert read(packages=[{**package, "runtimeHint": "npx", "runtimeArguments": [named("-y")]}]).packages[0].runtime_hint == "npx"
    python = {"registryType": "pypi", "identifier": "mcp-x", "version": "1.0"}
    uvx = [named("--from", "mcp-x[cli]==1.0"), named("--with", "httpx<1"), named("--python", "3.12")]
    manifest = read(packages=[{**python, "runtimeArguments": uvx}])
    assert (manifest.profile.requires, len(manifest.notes)) == (("httpx<1",), 1)
    for argument in (named("--index-url", "https://evil.example"), named("--from", "git+https://example.org/x"), named("--with", "x; id")):
        assert refusal(packages=[{**python, "runtimeArguments": [argument]}])
    assert "--registry" in refusal(packages=[{**package, "runtimeArguments": [named("--registry", "https://evil.example")]}])


@pytest.mark.parametrize(
    ("kind", "version", "good"),
    [
        ("npm", "1.2.3", True), ("npm", "v1.2.3", True), ("npm", "1.2.3-beta.1+x", True), ("npm", "1", False), ("npm", "1.2", False),
        ("npm", "1.x", False), ("npm", "^1.2.3", False), ("npm", "latest", False), ("npm", "", False), ("npm", "1.2.3 || 2", False),
        ("pypi", "1.0", True), ("pypi", "2026.1.2", True), ("pypi", "1.0rc1", True), ("pypi", ">=1", False), ("pypi", "1.*", False),
        ("pypi", "1.x", False), ("nuget", "1.2.3.4", True), ("nuget", "1.2.3-beta", True), ("nuget", "1.*", False), ("nuget", "1", False),
    ],
)  # fmt: skip
def test_versions_are_exact(kind: str, version: str, good: bool) -> None:
    package = {"registryType": kind, "identifier": "weather", "version": version}
    if good:
        assert read(packages=[package]).packages[0].version == version.removeprefix("v")
    else:
        assert "one exact version" in refusal(packages=[package])


def test_an_image_may_go_by_a_tag() -> None:
    assert read(packages=[{"registryType": "oci", "identifier": "example/weather:latest"}]).packages[0].version == ""
    moved = {"registryType": "oci", "identifier": "example/weather", "registryBaseUrl": "https://ghcr.io", "version": "2"}
    assert read(packages=[moved]).packages[0].identifier == "ghcr.io/example/weather"


def test_packages_that_cannot_run_are_left_out_with_a_note() -> None:
    good = document()["packages"][0]
    manifest = read(packages=[{"registryType": "mcpb", "identifier": "https://example.org/x.mcpb"}, good])
    assert [package.registry_type for package in manifest.packages] == ["npm"]
    assert "mcpb" in manifest.notes[0]


def test_what_runs_elsewhere_is_kept_with_its_address() -> None:
    remotes = [
        {"type": "streamable-http", "url": "https://mcp.example.org/{tenant}/mcp", "headers": [{"name": "X-Key", "isSecret": True}]},
        {"type": "sse", "url": "javascript:alert(1)"},
        {"type": "carrier-pigeon", "url": "https://example.org"},
    ]
    given = Given.of(document(packages=[], remotes=remotes))
    assert (given.columns["deployable"], given.columns["runtime"], given.columns["one_click"]) == (False, "", False)
    assert [remote.url for remote in given.manifest.remotes] == ["https://mcp.example.org/{tenant}/mcp"]
    assert "there is no package of it to deploy" in given.manifest.undeployable
    with pytest.raises(InvalidInput, match="no package of it"):
        spec_of(McpServer(name="x", manifest=given.document, generation=1))
    package = {**IMAGE, "runtimeArguments": [named("--privileged")]}
    assert Given.of(document(packages=[package], remotes=remotes[:1])).columns["deployable"] is False


def test_texts_are_bounded_and_lose_what_is_not_seen() -> None:
    manifest = read(title="T" * 500, description="A\u202eb\u200bc\n" + "d" * 900)
    assert (len(manifest.title), len(manifest.description)) == (100, 300)
    assert manifest.description.startswith("Abc d")


def test_nulls_and_plain_values_are_understood() -> None:
    variable = {"name": "PORT", "default": 8080, "choices": None, "description": None, "isRequired": None}
    package = {**document()["packages"][0], "environmentVariables": [variable, {"name": "ON", "default": True}], "packageArguments": None}
    settings = settings_of(read(packages=[package], repository=None, remotes=None).packages[0])
    assert [setting.default for setting in settings] == ["8080", "true"]


def test_a_url_may_name_variables_and_arguments() -> None:
    package = {
        **IMAGE,
        "transport": {"type": "streamable-http", "url": "http://localhost:{PORT}/{--path}"},
        "environmentVariables": [{"name": "PORT", "default": "8080"}],
        "packageArguments": [named("--path", None, default="mcp")],
    }
    given = usable_document(document(packages=[package]))
    assert spec_of(McpServer(name="x", manifest=given, generation=1)).transport == HttpTransport(
        port=8080, path="/mcp", host="localhost:8080"
    )
    changed = spec_of(McpServer(name="x", manifest=given, generation=1, config={"PORT": "9", "path": "x"}))
    assert changed.transport == HttpTransport(port=9, path="/x", host="localhost:9")


def test_an_argument_may_be_given_several_times() -> None:
    arguments = [named("--allow", None, isRepeated=True), {"type": "positional", "valueHint": "folder", "isRepeated": True}]
    given = usable_document(document(packages=[{**IMAGE, "packageArguments": arguments}]))
    spec = spec_of(McpServer(name="x", manifest=given, generation=1, config={"allow": "a\nb", "folder": "/x\n/y"}))
    assert spec.arguments == ("--allow", "a", "--allow", "b", "/x", "/y")


def test_a_document_that_came_here_before_stays_as_it_is() -> None:
    package = {**IMAGE, "runtimeArguments": [named("-v", "data:/data")]}
    once = usable_document(document(packages=[package, {"registryType": "mcpb", "identifier": "x"}]))
    assert usable_document(once) == once


def test_one_document_a_list_and_a_registrys_page_are_told_apart() -> None:
    assert [one.document["name"] for one in offered_in(document())] == ["org.example/weather"]
    assert len(offered_in([document(), document()])) == 2
    page = {"servers": [listed(document(), "deprecated", newest=False)], "metadata": {"nextCursor": "x"}}
    (found,) = offered_in(page)
    assert (found.official.status, found.official.newest, found.official.published_at) == (
        "deprecated",
        False,
        moment_of("2026-01-02T03:04:05Z"),
    )


@pytest.mark.parametrize("text", ["yesterday", "", "2026-13-01", "9999-12-31T23:59:59-14:00", 7, None, "0001-01-01T00:00:00+14:00"])
def test_what_is_no_moment_is_none(text: Any) -> None:
    assert moment_of(text) is None
