"""Every relative link in a Markdown file leads to a file that is there, and every anchor to a heading."""

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token

from deploy.bootstrap import ROOT
from deploy.checks.tracked import files


@cache
def tokens(path: Path) -> list[Token]:
    return MarkdownIt("gfm-like", {"linkify": False}).parse(path.read_text())


def anchors(path: Path) -> set[str]:
    """The anchors that GitHub gives to a file's headings."""
    found: set[str] = set()
    for opening, inline in zip(tokens(path), tokens(path)[1:], strict=False):
        if opening.type == "heading_open":
            text = "".join(part.content for part in inline.children or [])
            slug = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
            found.add(next(name for name in [slug, *(f"{slug}-{n}" for n in range(1, 100))] if name not in found))
    return found


def targets(path: Path) -> Iterator[str]:
    for token in tokens(path):
        for part in token.children or []:
            target = part.attrGet("href") if part.type == "link_open" else part.attrGet("src") if part.type == "image" else None
            if target:
                yield str(target)


def problems(path: Path) -> Iterator[str]:
    for target in targets(path):
        url = urlsplit(target)
        if url.scheme or url.netloc:
            continue
        leads_to = (path.parent / unquote(url.path)).resolve() if url.path else path
        if not leads_to.exists() or not leads_to.is_relative_to(ROOT):
            yield f"{path.relative_to(ROOT)}: the link {target} leads nowhere"
        elif url.fragment and leads_to.suffix == ".md" and url.fragment not in anchors(leads_to):
            yield f"{path.relative_to(ROOT)}: the link {target} names a heading that is not there"


def main() -> int:
    found = [problem for path in files() if path.suffix == ".md" for problem in problems(path)]
    print("\n".join(found))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
