"""What another version would mean for a server: a pure function, told in sentences."""

from __future__ import annotations

from typing import Any

import pytest

from dtma_wire import Phase
from mcp_registry.manifest import PUBLISHER_SLOT
from mcp_registry.models import Deployment, McpServer
from mcp_registry.upgrading.outcome import outcome_of
from mcp_registry.upgrading.plan import Plan, plan_of
from tests.conftest import server_json


def document(*variables: dict[str, Any], packages: list[dict[str, Any]] | None = None, **profile: Any) -> dict[str, Any]:
    found = server_json(version="2.0.0", _meta={PUBLISHER_SLOT: {"agentopia": profile}})
    found["packages"][0]["environmentVariables"] = list(variables)
    return {**found, "packages": packages} if packages else found


def server(given: dict[str, Any], **columns: Any) -> McpServer:
    return McpServer(manifest=given, name="weather", version="1.0.0", **columns)


def told(plan: Plan) -> list[tuple[str, str]]:
    return [(line.tone, line.text) for line in plan.lines]


def test_what_stays_as_it_is_is_not_told() -> None:
    plan = plan_of(server(document({"name": "CITY"}), config={"CITY": "Rome"}), document({"name": "CITY"}))
    assert (told(plan), plan.config, plan.missing, plan.widens) == ([], {"CITY": "Rome"}, (), False)


@pytest.mark.parametrize(
    ("before", "after", "tone", "text"),
    [
        ({}, {"egress": "open"}, "warning", "It may reach the whole internet, and not no network as now."),
        ({"egress": "open"}, {}, "success", "It may reach no network, and not the whole internet as now."),
        ({"memory_mb": 100}, {"memory_mb": 200}, "warning", "Up to 200 MB of memory instead of 100 MB."),
        ({"cpus": 1}, {"cpus": 0.5}, "success", "Up to 0.5 of processors instead of 1."),
        ({}, {"volumes": [{"name": "d", "path": "/d"}]}, "", "It keeps data of its own under /d."),
        (
            {"volumes": [{"name": "d", "path": "/d"}]},
            {},
            "warning",
            "It no longer uses its volume at /d; what is in it stays on the toolbox until the server is deleted.",
        ),
        (
            {"volumes": [{"name": "d", "path": "/d"}]},
            {"volumes": [{"name": "d", "path": "/e"}]},
            "",
            "Its volume at /d moves to /e.",
        ),
    ],
)
def test_permissions_and_data_are_told_with_their_tone(before: dict[str, Any], after: dict[str, Any], tone: str, text: str) -> None:
    assert told(plan_of(server(document(**before)), document(**after))) == [(tone, text)]


def test_hosts_are_told_one_by_one() -> None:
    before = document(egress="allowlist", hosts=["a.example.org", "b.example.org"])
    after = document(egress="allowlist", hosts=["b.example.org", "c.example.org:8443"])
    assert told(plan_of(server(before), after)) == [
        ("warning", "It may reach c.example.org:8443."),
        ("success", "It may no longer reach a.example.org."),
    ]


def test_what_the_owner_allowed_counts_in_both() -> None:
    changed = server(document(memory_mb=100), overrides={"memory_mb": 400})
    assert told(plan_of(changed, document(memory_mb=200))) == []


def test_settings_that_go_are_said_and_those_that_come_are_asked_for() -> None:
    given = server(document({"name": "OLD"}, {"name": "KEY", "isSecret": True}), config={"OLD": "x"}, secrets={"KEY": "canary"})
    plan = plan_of(given, document({"name": "KEY", "isRequired": True}, {"name": "NEW", "isRequired": True}))
    assert [setting.key for setting in plan.missing] == ["KEY", "NEW"], "a secret does not become something that shows"
    assert told(plan) == [("warning", "KEY, OLD: what is set does not apply to this version and is dropped.")]
    assert "canary" not in str(plan.config)


def test_a_setting_may_become_a_secret_and_a_wrong_value_is_dropped() -> None:
    given = server(document({"name": "A"}, {"name": "B"}), config={"A": "x", "B": "y"})
    plan = plan_of(given, document({"name": "A", "isSecret": True}, {"name": "B", "choices": ["z"]}))
    assert (plan.config, plan.secrets) == ({}, {"A": "x"})


def test_the_same_package_is_found_where_there_are_several() -> None:
    npm = server_json()["packages"][0]
    other = {**npm, "registryType": "pypi", "identifier": "weather", "version": "2.0.0"}
    plan = plan_of(server(document()), document(packages=[other, npm]))
    assert (plan.index, told(plan)) == (1, [])
    assert told(plan_of(server(document()), document(packages=[other]))) == [
        ("warning", "It comes from PyPI: weather, and not from npm: @example/weather.")
    ]


@pytest.mark.parametrize(
    ("status", "code", "phase", "verdict"),
    [
        ("queued", "", Phase.RUNNING, "wait"),
        ("running", "", Phase.CRASHED, "wait"),
        ("succeeded", "", Phase.RUNNING, "ready"),
        ("failed", "not_ready", Phase.CRASHED, "failed"),
        ("failed", "not_ready", Phase.PREPARING, "failed"),
        ("failed", "disk_full", Phase.PREPARING, "failed"),
        ("failed", "toolbox_unreachable", Phase.PREPARING, "wait"),
        ("failed", "toolbox_unreachable", Phase.RUNNING, "ready"),
        ("failed", "toolbox_unreachable", Phase.CRASHED, "failed"),
        ("failed", "toolbox_unreachable", Phase.STOPPED, "failed"),
    ],
)
def test_what_becomes_of_a_switch(status: str, code: str, phase: Phase, verdict: str) -> None:
    deployment = Deployment(status=status, code=code, kind="upgrade")
    row = McpServer(desired="running", generation=2, observed_generation=2, phase=phase.value, deployment=deployment)
    assert outcome_of(row).verdict == verdict


def test_what_is_told_of_an_older_generation_says_nothing() -> None:
    deployment = Deployment(status="failed", code="toolbox_unreachable", kind="upgrade")
    row = McpServer(desired="running", generation=2, observed_generation=1, phase="crashed", deployment=deployment)
    assert outcome_of(row).verdict == "wait"
