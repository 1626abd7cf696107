"""Toolsets, kept in memory by each process for as long as they are what the database says.

Within `following` the process hears of every change and trusts what it has. Elsewhere (a worker, or a web process that lost Redis) it asks
the database for the version before each use. A call compares versions once more when it is made (`agents.calling.carry`).

Everything here may be used from several event loops and threads at once.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db import Error, close_old_connections
from django.utils import timezone

from agentopia.lib.errors import NotFound
from agents.models import Agent
from agents.toolsets import loading
from agents.toolsets.touch import note_expiry
from agents.toolsets.types import Toolset

logger = logging.getLogger(__name__)

SETTLE_SECONDS = 0.02  # changes that come in a burst are answered by one loading
LOOK_SECONDS = 5.0  # how often those who wait for changes look by themselves
TOOLS_KEPT = 300_000
AGENTS_KEPT = 5_000

_threads = ThreadPoolExecutor(4, "toolsets")


@dataclass(eq=False)
class _Slot:
    """What is known of one agent."""

    toolset: Toolset | None = None
    until: datetime | None = None
    """When a grant of it ends by the clock."""
    told: int = 0
    """The newest version that was heard of."""
    loading: Future[Toolset] | None = None
    ticket: object = None
    """Of the loading whose result is kept; another one's is older than what was heard since."""
    listeners: set[Callable[[], None]] = field(default_factory=set)

    def current(self) -> Toolset | None:
        """The toolset, unless it is known to be another by now."""
        toolset, until = self.toolset, self.until
        if toolset is None or toolset.version < self.told or (until is not None and until <= timezone.now()):
            return None
        return toolset

    def wake(self) -> None:
        for listener in tuple(self.listeners):
            listener()


_slots: dict[UUID, _Slot] = {}
_slugs: dict[tuple[int, str], UUID] = {}
_lock = threading.Lock()
_followers = 0


async def toolset_of(agent_id: UUID) -> Toolset:
    """What the agent may use now. Raises `NotFound` where there is no such agent, or it is switched off."""
    slot = _slots.get(agent_id)
    toolset = slot.current() if slot is not None else None
    if toolset is None:
        return await _loaded(agent_id)
    if not _followers:
        version = await in_thread(loading.version_of, agent_id)
        if version != toolset.version:
            return await reloaded(agent_id, version)
    return toolset


async def reloaded(agent_id: UUID, version: int | None) -> Toolset:
    """The toolset, where somebody has seen that its version is this one: loaded if ours is older, or if nobody knows (None)."""
    slot = _slot(agent_id)
    if version is None:
        forget(agent_id)
    else:
        with _lock:
            slot.told = max(slot.told, version)
    return slot.current() or await _loaded(agent_id)


async def agent_of(owner_id: int, slug: str) -> UUID:
    """The agent that is called so in the gateway's addresses; raises `NotFound`."""
    key = (owner_id, slug)
    agent_id = _slugs.get(key)
    if agent_id is not None and _followers and (slot := _slots.get(agent_id)) is not None:
        toolset = slot.current()
        if toolset is not None and toolset.slug == slug:
            return agent_id
    found = await in_thread(_find, owner_id, slug)
    if found is None:
        _slugs.pop(key, None)
        raise NotFound(f"You have no agent “{slug[:63]}”, or it is switched off.", code="agent_not_found")
    _slugs[key] = found
    return found


async def changes(agent_id: UUID, since: Toolset | None = None) -> AsyncGenerator[Toolset]:
    """Each new toolset of the agent from now on, the newest of those that come close together; it ends when the agent is gone.

    With ``since`` it begins with the present one where that is another.
    """
    loop = asyncio.get_running_loop()
    changed = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # its loop has ended, and it with it
            loop.call_soon_threadsafe(changed.set)

    slot = _slot(agent_id)
    slot.listeners.add(wake)
    try:
        with suppress(NotFound):
            version = since.version if since else (await toolset_of(agent_id)).version
            while True:
                toolset = await _if_known(agent_id)
                if toolset is not None and toolset.version != version:
                    version = toolset.version
                    yield toolset
                await _wait(changed, slot.until if toolset is not None else None)
    finally:
        slot.listeners.discard(wake)


def hear(versions: Mapping[UUID, int]) -> None:
    """These agents have these versions now."""
    for agent_id, version in versions.items():
        with _lock:
            slot = _slots.get(agent_id)
            if slot is None or version <= slot.told:
                continue
            slot.told = version
        slot.wake()


def forget(*agent_ids: UUID) -> None:
    """Load these anew when they are needed next; all, where none is named."""
    with _lock:
        slots = [_slots[agent_id] for agent_id in agent_ids if agent_id in _slots] if agent_ids else list(_slots.values())
        for slot in slots:
            slot.toolset = slot.loading = slot.ticket = None
        if not agent_ids:
            _slugs.clear()
    for slot in slots:
        slot.wake()


def follow(on: bool) -> None:
    """Whether changes are heard of from now on. What was kept until now may have changed unheard."""
    global _followers  # noqa: PLW0603 (a count for the whole process, as the rest is)
    with _lock:
        _followers += 1 if on else -1
    forget()


def known_versions() -> dict[UUID, int]:
    """Of what is kept, to be compared with the database."""
    return {agent_id: slot.toolset.version for agent_id, slot in list(_slots.items()) if slot.toolset is not None}


def _slot(agent_id: UUID) -> _Slot:
    with _lock:
        return _slots.setdefault(agent_id, _Slot())


async def _if_known(agent_id: UUID) -> Toolset | None:
    """The toolset; None while the database does not answer, which who waits for changes outlives."""
    try:
        return await toolset_of(agent_id)
    except Error as error:
        logger.warning("Whether an agent's toolset changed cannot be found out now: %s", error)
        return None


async def _wait(changed: asyncio.Event, until: datetime | None) -> None:
    """Until something may have changed."""
    seconds = LOOK_SECONDS
    if until is not None:
        seconds = min(seconds, max(0.0, (until - timezone.now()).total_seconds()))
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await changed.wait()
            await asyncio.sleep(SETTLE_SECONDS)
    changed.clear()


async def _loaded(agent_id: UUID) -> Toolset:
    """Load it, once for all who ask meanwhile."""
    while True:
        slot = _slot(agent_id)
        with _lock:
            future = slot.loading
            if future is None:
                slot.ticket = ticket = object()
                slot.loading = future = _threads.submit(_load, agent_id, slot, ticket)
        # Shielded: who stops waiting must not take the others with them.
        toolset = await asyncio.shield(asyncio.wrap_future(future))
        if toolset.version >= slot.told:
            return toolset
        # It changed while it was loaded.


def _load(agent_id: UUID, slot: _Slot, ticket: object) -> Toolset:
    told, known, until = slot.told, slot.toolset, slot.until
    toolset: Toolset | None = None
    try:
        close_old_connections()
        if known is not None and until is not None and until <= timezone.now():
            note_expiry(agent_id, known.version)
        toolset = loading.load(agent_id, known)
        if _followers:
            _ = toolset.listed  # here, not in the event loop
        return toolset
    finally:
        close_old_connections()
        with _lock:
            if toolset is not None and slot.told == told:  # as new as it can be, whatever was said before
                slot.told = toolset.version
            if slot.ticket is ticket:
                slot.toolset, slot.until, slot.loading = toolset, _end_of(toolset), None
            if toolset is None and not slot.listeners and _slots.get(agent_id) is slot:
                del _slots[agent_id]
            _make_room()


def _end_of(toolset: Toolset | None) -> datetime | None:
    """When the first of its grants that end by the clock does."""
    servers = toolset.servers.values() if toolset is not None else ()
    return min((server.expires_at for server in servers if server.expires_at is not None), default=None)


def _make_room() -> None:
    """Forget what was loaded first, where too much is kept. The caller holds the lock."""
    tools = sum(len(slot.toolset.tools) for slot in _slots.values() if slot.toolset is not None)
    for agent_id, slot in list(_slots.items()):
        if tools <= TOOLS_KEPT and len(_slots) <= AGENTS_KEPT:
            break
        if not slot.listeners and slot.loading is None:
            tools -= len(slot.toolset.tools) if slot.toolset is not None else 0
            del _slots[agent_id]
    if len(_slugs) > AGENTS_KEPT:
        _slugs.clear()


def _find(owner_id: int, slug: str) -> UUID | None:
    return Agent.objects.filter(owner=owner_id, slug=slug, enabled=True, owner__is_active=True).values_list("pk", flat=True).first()


async def in_thread[**P, R](work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Ask the database in a thread of our own, which no request waits for."""

    def run() -> R:
        close_old_connections()
        try:
            return work(*args, **kwargs)
        finally:
            close_old_connections()

    return await asyncio.wrap_future(_threads.submit(run))
