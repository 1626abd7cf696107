"""The comparison of two versions' tools: what is told, and that it stays readable and small whatever a server says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_registry.upgrading.tool_changes import LINES_KEPT_IN_ALL, TOOLS_KEPT, Changes, compare, visible


def tool(name: str = "echo", **changes: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"message": {"type": "string"}}}
    return {"name": name, "description": "Says it again.", "inputSchema": schema, **changes}


def test_the_same_tools_in_another_order_are_the_same() -> None:
    found = compare([tool("a"), tool("b")], [tool("b"), tool("a")])
    assert (found, found.breaks, found.summary) == (Changes(same=2), False, "no tool changed")


def test_keys_in_another_order_are_no_change() -> None:
    assert not compare([tool()], [dict(reversed(tool().items()))]).breaks


def test_an_added_tool_breaks_nothing() -> None:
    found = compare([tool("a")], [tool("a"), tool("b", title="B")])
    assert [(added.name, added.title, added.description) for added in found.added] == [("b", "B", "Says it again.")]
    assert (found.breaks, found.summary) == (False, "1 added")


def test_a_removed_tool_breaks() -> None:
    found = compare([tool("a"), tool("b")], [tool("a")])
    assert [gone.name for gone in found.removed] == ["b"]
    assert (found.breaks, found.summary) == (True, "1 removed")


@pytest.mark.parametrize(
    ("changes", "part", "lines"),
    [
        ({"title": "Echo"}, "title", ("+Echo",)),
        ({"description": "Says it twice."}, "description", ("-Says it again.", "+Says it twice.")),
        ({"annotations": {"destructiveHint": True}}, "annotations", ("+{", '+  "destructiveHint": true', "+}")),
        ({"outputSchema": {"type": "object"}}, "outputSchema", ("+{", '+  "type": "object"', "+}")),
        ({"execution": {"taskSupport": "required"}}, "other", None),
    ],
)
def test_each_part_is_told_by_its_name(changes: dict[str, Any], part: str, lines: tuple[str, ...] | None) -> None:
    (changed,) = compare([tool()], [tool(**changes)]).changed
    assert [found.name for found in changed.parts] == [part]
    assert lines is None or changed.parts[0].lines == lines


def test_a_schema_is_told_line_by_line_with_what_stands_around() -> None:
    schema = {"type": "object", "properties": {"message": {"type": "number"}}}
    (changed,) = compare([tool()], [tool(inputSchema=schema)]).changed
    assert changed.parts[0].lines == (
        '   "properties": {', '     "message": {', '-      "type": "string"', '+      "type": "number"', "     }", "   },",
    )  # fmt: skip


def test_hidden_characters_are_shown() -> None:
    assert visible("a\u200bb\u202ec\U000e0041d\u00a0e\te") == "a⟨U+200B⟩b⟨U+202E⟩c⟨U+E0041⟩d⟨U+00A0⟩e⟨U+0009⟩e"
    assert visible("Grüße, 日本語 🙂") == "Grüße, 日本語 🙂"
    (changed,) = compare([tool()], [tool(description="Says it again.\u200b")]).changed
    assert changed.parts[0].lines[1] == "+Says it again.⟨U+200B⟩"
    assert compare([], [tool("ec\u202eho")]).added[0].name == "ec⟨U+202E⟩ho"


def test_a_lone_surrogate_can_be_stored() -> None:
    json.dumps(compare([tool()], [tool(description="\ud800")]).as_json(), ensure_ascii=False).encode()


def test_it_is_bounded_whatever_a_server_says() -> None:
    before = [tool(f"t{number}", description="\n".join(f"{number} {line}" for line in range(3000))) for number in range(300)]
    after = [tool(f"t{number}", description="x" * 100_000) for number in range(300)]
    found = compare(before, after)
    assert (len(found.changed), found.left_out) == (TOOLS_KEPT, 300 - TOOLS_KEPT)
    lines = [line for changed in found.changed for part in changed.parts for line in part.lines]
    assert len(lines) <= LINES_KEPT_IN_ALL + TOOLS_KEPT
    assert max(map(len, lines)) < 400
    assert lines[-1].startswith("@ "), "what is missing is said"


def test_it_survives_being_stored() -> None:
    found = compare([tool("a"), tool("b")], [tool("b", title="B"), tool("c")])
    assert Changes.of_json(json.loads(json.dumps(found.as_json()))) == found


@pytest.mark.parametrize("odd", [{}, {"name": None}, {"name": "x", "description": 7, "title": ["a"], "inputSchema": "no"}])
def test_nonsense_is_compared_too(odd: dict[str, Any]) -> None:
    assert compare([odd], [odd]).same == 1
    compare([tool("x")], [odd])
    compare([odd], [tool("x")])
