"""Results of tools, sorted for a page."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from chat.pages.results import data_of, media_of, shown_result
from tests.chat.pages.scenes import picture


def result(*content: Any, **more: Any) -> dict[str, Any]:
    return {"content": list(content), **more}


def test_rows_become_a_table_and_the_same_text_is_left_out() -> None:
    text = '{"rows": [{"city": "Utrecht", "mm": 812}]}'
    shown = shown_result(result({"type": "text", "text": text}, structuredContent={"rows": [{"city": "Utrecht", "mm": 812}]}))
    assert shown.table is not None
    assert (shown.table.columns, shown.table.rows) == (["city", "mm"], [["Utrecht", "812"]])
    assert shown.blocks == []


def test_json_that_is_the_text_becomes_a_table_too() -> None:
    shown = shown_result(result({"type": "text", "text": '[{"a": 1, "b": {"c": 2}}, {"a": null}]'}))
    assert shown.table is not None
    assert shown.table.rows == [["1", '{"c": 2}'], ["", ""]]


def test_a_flat_object_becomes_pairs() -> None:
    assert shown_result(result(structuredContent={"temperature": 21.5, "sky": "clear"})).pairs == [
        ("temperature", "21.5"),
        ("sky", "clear"),
    ]


@pytest.mark.parametrize("value", [[1, 2], {"a": {"b": {}}}, [], {}, [{}], "text", 5, [{str(n): n for n in range(40)}]])
def test_anything_else_stays_json(value: Any) -> None:
    shown = shown_result(result(structuredContent=value))
    assert (shown.table, shown.pairs) == (None, [])
    assert shown.structured


def test_long_tables_are_cut() -> None:
    shown = shown_result(result(structuredContent=[{"n": n} for n in range(250)]))
    assert shown.table is not None
    assert (len(shown.table.rows), shown.table.left_out) == (100, 150)


def test_pictures_and_sounds_of_known_kinds_are_served_and_nothing_else() -> None:
    svg = base64.b64encode(b"<svg onload=alert(1)>").decode()
    content = [
        {"type": "image", "mimeType": "image/png", "data": picture()},
        {"type": "image", "mimeType": "image/svg+xml", "data": svg},
        {"type": "audio", "mimeType": "audio/mp3", "data": "AAAA"},
        {"type": "image", "mimeType": "text/html", "data": svg},
        {"type": "image", "mimeType": "image/png", "data": "not base64!"},
        {"type": "resource", "resource": {"uri": "file:///a.png", "mimeType": "image/png", "blob": picture()}},
        {"type": "resource", "resource": {"uri": "file:///a.bin", "mimeType": "application/zip", "blob": "AAAA"}},
    ]
    given = result(*content)
    assert [(block.kind, block.number) for block in media_of(given)] == [("picture", 0), ("sound", 2), ("picture", 5)]
    assert data_of(given, 0) == (base64.b64decode(picture()), "image/png")
    assert data_of(given, 2) == (b"\0\0\0", "audio/mpeg")
    for number in (1, 3, 4, 6, 7, -1):
        assert data_of(given, number) is None
    assert [block.kind for block in shown_result(given).rest] == ["missing"] * 4


@pytest.mark.parametrize("odd", [None, [], "text", 5, {"content": 5}, {"content": [None, 5, "x", {"type": "text"}, {"type": "image"}]}])
def test_what_is_no_result_breaks_nothing(odd: Any) -> None:
    shown_result(odd)
    assert media_of(odd) == []
    assert data_of(odd, 0) is None


def test_links_to_the_web_are_links() -> None:
    shown = shown_result(
        result(
            {"type": "resource_link", "uri": "https://example.org/a", "name": "A"},
            {"type": "resource_link", "uri": "javascript:alert(1)", "name": "B"},
        )
    )
    assert [(block.kind, block.address) for block in shown.blocks] == [("link", "https://example.org/a"), ("text", "")]
