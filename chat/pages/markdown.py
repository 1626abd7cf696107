"""What a model writes, as HTML: CommonMark with tables and strikethrough.

A model repeats what tools and web pages told it, so nothing of it is trusted: HTML stays text, links go to the web and to mail alone, and
pictures are not fetched (the address of one can carry away what was said), but named as a link.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

from django.template.loader import render_to_string
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

SCHEMES = frozenset({"http", "https", "mailto"})
NESTING = 20
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})(.*)")
_CONTINUES = re.compile(r"\s|[-*+]\s|\d{1,9}[.)]\s")
"""How a line begins that may belong to the block before it in spite of a blank line between them: to a list."""
_LONGEST_MARK = 11


class _Renderer(RendererHTML):
    """Blocks of code get a button that copies them; tables may scroll; pictures become links."""

    def fence(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self._code(tokens[idx], env)

    def code_block(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return self._code(tokens[idx], env)

    def _code(self, token: Token, env: Any) -> str:
        env["blocks"] = number = env.get("blocks", 0) + 1
        language = (token.info.split() or [""])[0][:30]
        return render_to_string(
            "chat/code_block.html", {"id": f"{env['prefix']}-code-{number}", "language": language, "text": token.content}
        )

    def table_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return '<div class="table-wrap" tabindex="0" role="group" aria-label="Table"><table class="table">'

    def table_close(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        return "</table></div>"

    def link_open(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        tokens[idx].attrSet("rel", "nofollow noopener noreferrer")
        tokens[idx].attrSet("target", "_blank")
        return self.renderToken(tokens, idx, options, env)

    def image(self, tokens: Sequence[Token], idx: int, options: Any, env: Any) -> str:
        token = tokens[idx]
        named = self.renderInlineAsText(token.children or [], options, env) or "a picture"
        return render_to_string("chat/picture_link.html", {"address": str(token.attrGet("src") or ""), "named": named})


def _may_lead_to(address: str) -> bool:
    """Whole addresses alone: a relative one would lead to a page of ours that does something, or that says something else."""
    try:
        parts = urlsplit(address.strip())
    except ValueError:
        return False
    return parts.scheme.lower() in SCHEMES and (bool(parts.netloc) or parts.scheme.lower() == "mailto")


def _made() -> MarkdownIt:
    options = {"html": False, "linkify": False, "typographer": False, "maxNesting": NESTING}
    markdown = MarkdownIt("commonmark", options, renderer_cls=_Renderer).enable(["table", "strikethrough"])
    markdown.validateLink = _may_lead_to  # type: ignore[method-assign, assignment]
    return markdown


_MARKDOWN = _made()


def rendered(text: str, prefix: str) -> SafeString:
    """A text as HTML; ``prefix`` begins the ids in it, and is of that text alone."""
    html: str = _MARKDOWN.render(text, {"prefix": prefix})
    return mark_safe(html)  # noqa: S308 (it escapes all that the text has)


kept = lru_cache(maxsize=512)(rendered)
"""The same, of texts that will be asked for again."""


def settled(text: str) -> int:
    """How many characters, from the beginning, are blocks that nothing which follows will change. The rest may still grow.

    Headings are those of CommonMark; definitions of links that come later are the exception, which the whole text puts right in the end.
    """
    found = place = 0
    fence = ""
    was_blank = False
    for line in text.splitlines(keepends=True):
        if not line.endswith(("\n", "\r")):
            is_known = line[0].isalpha() or len(line) > _LONGEST_MARK
            return place if was_blank and not fence and is_known and not _CONTINUES.match(line) else found
        if fence:
            fence = "" if _closes(line, fence) else fence
            was_blank = False
        elif not line.strip():
            was_blank = True
        else:
            if was_blank and not _CONTINUES.match(line):
                found = place
            was_blank = False
            fence = _opened(line)
        place += len(line)
    return found


def _opened(line: str) -> str:
    match = _FENCE.match(line)
    return "" if match is None or (match[1][0] == "`" and "`" in match[2]) else match[1]


def _closes(line: str, fence: str) -> bool:
    mark = line.strip()
    return len(mark) >= len(fence) and set(mark) == {fence[0]} and len(line) - len(line.lstrip(" ")) < 4
