"""What is asked of the catalogue: what people type, letter by letter, what they choose, and pages that they turn."""

from __future__ import annotations

from urllib.parse import quote

TYPED = (
    *("github", "postgres", "notion", "weather", "calendar", "ticket", "database", "search the web", "send email", "knowledge graph"),
    *("invoice export", "mcp server for slack", "@modelcontextprotocol/server-filesystem", "vector store", "translate text"),
)
"""Each is asked for as it grows: from its first letter, a request for every other one."""
SLIPS = ("githb", "postgers", "databse", "notoin", "wheather", "calender", "kuberntes", "elasticsaerch")
NOTHING = ("zzyzxqqq", "nobody called it so")
FILTERS = (
    "category=databases",
    "runtime=pypi&secret=no",
    "trust=verified&sort=deployed",
    "fits=yes&setup=none",
    "origin=registry&transport=streamable-http&sort=newest",
    "search=ticket&trust=verified",
    "search=data&runtime=npm&category=developer&category=databases",
    "search=report&fits=yes&sort=name",
    "origin=mine",
)
PLAIN = ("", "sort=newest", "sort=name", "sort=deployed", "page=2", "page=5", "search=mcp%20server&page=2", "search=file&page=3")


def mix() -> dict[str, list[str]]:
    """By kind, the query strings of one round."""
    growing = [typed[:length] for typed in TYPED for length in range(1, len(typed) + 1, 2)]
    return {
        "while one types": [f"search={quote(text)}" for text in growing],
        "whole words": [f"search={quote(text)}" for text in TYPED] * 2,
        "slips of typing": [f"search={quote(text)}" for text in SLIPS],
        "nothing found": [f"search={quote(text)}" for text in NOTHING],
        "with filters": list(FILTERS) * 2,
        "no search": list(PLAIN) * 2,
    }
