"""Indexes of agents' toolsets, kept by each process and made anew, from what stayed the same, when the tools are others."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from agents.embedding.reading import Read
from agents.embedding.weights import reader
from agents.selection.asking import ask_to_read
from agents.selection.index import Index
from agents.selection.stored import key_of, stored
from agents.selection.texts import Document, document
from agents.toolsets.types import OfferedTool, Toolset

TOOLS_KEPT = 150_000
"""In all indexes of this process; each takes about 6 kB."""
LOOK_SECONDS = 1.0
"""How often unread tools are looked for."""
ASK_SECONDS = 60.0
"""How often a worker is asked for the same ones."""

type Identity = tuple[str, str, str]
"""The server's name, the tool's name and the digest of its definition."""


@dataclass(slots=True, eq=False)
class Kept:
    """An index of the toolset's tools, in their order."""

    toolset: Toolset
    documents: Mapping[Identity, Document]
    keys: tuple[str, ...]
    reads: Mapping[str, Read]
    index: Index
    looked_at: float
    asked_at: float

    @property
    def is_whole(self) -> bool:
        """Whether all of its tools have been read."""
        return len(self.reads) == len(set(self.keys))


_kept: OrderedDict[UUID, Kept] = OrderedDict()
_lock = threading.Lock()
_making: dict[UUID, threading.Lock] = {}


def index_of(toolset: Toolset) -> Kept:
    """The index of just these tools. It asks the database, so it belongs in a thread; the first one waits for as long as it takes to make,
    about a second for 10,000 tools, and others for the same agent with it.
    """
    with _lock:
        making = _making.setdefault(toolset.agent_id, threading.Lock())
    with making:
        kept = _kept.get(toolset.agent_id)
        if kept is None or kept.toolset is not toolset or _should_look(kept):
            kept = _made(toolset, kept)
        with _lock:
            _kept[toolset.agent_id] = kept
            _kept.move_to_end(toolset.agent_id)
            while len(_kept) > 1 and sum(len(each.keys) for each in _kept.values()) > TOOLS_KEPT:
                _making.pop(_kept.popitem(last=False)[0], None)
        return kept


def forget() -> None:
    """Every index of this process."""
    with _lock:
        _kept.clear()


def _identity(tool: OfferedTool) -> Identity:
    return (tool.server.name, tool.tool_name, tool.digest)


def _should_look(kept: Kept) -> bool:
    return not kept.is_whole and reader() is not None and time.monotonic() - kept.looked_at > LOOK_SECONDS


def _made(toolset: Toolset, before: Kept | None) -> Kept:
    identities = [_identity(tool) for tool in toolset.tools.values()]
    known = before.documents if before else {}
    documents = {
        identity: known.get(identity) or document(tool.server.name, tool.definition)
        for identity, tool in zip(identities, toolset.tools.values(), strict=True)
    }
    keys = tuple(key_of(of.text) for of in documents.values())
    model = reader()
    read = {key: before.reads[key] for key in keys if key in before.reads} if before else {}
    now = time.monotonic()
    asked_at = before.asked_at if before else -ASK_SECONDS
    if model is not None:
        read |= stored(set(keys) - read.keys())
        unread = {identity[0] for identity, key in zip(documents, keys, strict=True) if key not in read}
        is_news = before is None or not set(identities) <= before.documents.keys()
        if unread and (is_news or now - asked_at >= ASK_SECONDS):
            ask_to_read(toolset.servers[name].id for name in sorted(unread))
            asked_at = now
    if before and list(before.documents) == identities and len(read) == len(before.reads):
        index = before.index
    else:
        index = Index([identity[0] for identity in documents], list(documents.values()), [read.get(key) for key in keys], model)
    return Kept(toolset, documents, keys, read, index, now, asked_at)
