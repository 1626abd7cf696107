"""What the documents say is so."""

from __future__ import annotations

import re

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from agentopia.environment import BASE_DIR
from agentopia.settings_page import page

README = (BASE_DIR / "README.md").read_text()


def test_the_settings_page_is_the_declaration() -> None:
    assert (BASE_DIR / "docs" / "settings.md").read_text() == page()


@pytest.mark.parametrize("document", ["README.md", "docs/running.md", "docs/api.md"])
def test_every_make_target_that_is_named_exists(document: str) -> None:
    targets = set(re.findall(r"^([a-z]+):", (BASE_DIR / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"`?make ([a-z]+)\b(?=[`\n ])", (BASE_DIR / document).read_text()))
    assert {name for name in named if name in ("run", "test", "check", "fmt", "bench", "lock", "clean") or name in targets} <= targets


def test_ci_runs_what_the_readme_tells_one_to_run() -> None:
    ci = (BASE_DIR / ".ci" / "run").read_text()
    for command in ("make check", "make test"):
        assert command in README
        assert command in ci


def routes() -> set[str]:
    """Every address under /api/v1/, with its parameters in braces."""

    def walk(patterns: list[URLPattern | URLResolver], prefix: str) -> set[str]:
        found = set()
        for pattern in patterns:
            here = prefix + str(pattern.pattern)
            if isinstance(pattern, URLResolver):
                found |= walk(pattern.url_patterns, here)
            else:
                found.add(here)
        return found

    def readable(route: str) -> str:
        route = re.sub(r"\(\?P<(\w+)>[^)]*\)", r"{\1}", route).replace("^", "").replace("$", "")
        return "/" + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route).replace("{server_id}", "{id}").replace("{toolbox_id}", "{id}")

    return {readable(route) for route in walk(get_resolver().url_patterns, "") if route.startswith("api/v1/")}


def test_the_api_page_lists_every_route_and_no_other() -> None:
    listed = re.findall(r"^\| `[A-Z]+ (/api/v1/[^`?]*)", (BASE_DIR / "docs" / "api.md").read_text(), re.MULTILINE)
    assert set(listed) == routes()


def test_every_decision_is_listed() -> None:
    folder = BASE_DIR / "docs" / "adr"
    listed = set(re.findall(r"\((\d{4}-[^)]+\.md)\)", (folder / "README.md").read_text()))
    assert listed == {path.name for path in folder.glob("0*.md")}
