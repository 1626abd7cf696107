"""The names by which agents know what several servers offer: `server__tool`.

A server's name has no underscore, so what comes before the first one is the server and natural names never meet. A tool whose natural name
is too long, or has characters that clients refuse, gets one with a hash, which depends on nothing but itself.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from itertools import count

LONGEST = 64
_FITS = re.compile(r"[a-zA-Z0-9_-]+")
_OTHER = re.compile(r"[^a-zA-Z0-9_-]+")
_HASH = 10
_SERVER_KEPT = 30

type Pair = tuple[str, str]
"""A server's name and the name of one of its tools or prompts."""


def exposed_names(pairs: Iterable[Pair]) -> dict[Pair, str]:
    """The name of each pair: of letters, digits, ``_`` and ``-``, at most `LONGEST` characters, all different.

    The same pairs get the same names, in whatever order they are given. A pair's name depends on the others only where a tool's natural
    name is another one's name with a hash, which takes intent.
    """
    wanted = dict.fromkeys(pairs)
    names = {pair: natural for pair in wanted if (natural := _natural(pair)) is not None}
    taken = set(names.values())
    for pair in sorted(wanted.keys() - names.keys()):
        names[pair] = next(name for attempt in count() if (name := _shortened(pair, attempt)) not in taken)
        taken.add(names[pair])
    return {pair: names[pair] for pair in wanted}


def _natural(pair: Pair) -> str | None:
    server, tool = pair
    name = f"{server}__{tool}"
    return name if tool and "_" not in server and len(name) <= LONGEST and _FITS.fullmatch(name) else None


def _shortened(pair: Pair, attempt: int) -> str:
    server, tool = pair
    plain = _OTHER.sub("-", server).replace("_", "-")
    if plain != server or len(server) > _SERVER_KEPT:
        plain = f"{plain[: _SERVER_KEPT - _HASH - 1]}-{_hash(server)}"
    room = LONGEST - len(plain) - len("__") - len("_") - _HASH
    mark = _hash(f"{server}\0{tool}\0{attempt}" if attempt else f"{server}\0{tool}")
    return f"{plain}__{_OTHER.sub('_', tool)[:room]}_{mark}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH]
