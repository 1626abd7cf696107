"""``POST /dtma/v1/heartbeat``"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.db import DataError
from django.utils import timezone
from starlette.requests import Request
from starlette.responses import Response

from agentopia.lib.errors import InvalidInput
from dtma_wire import Heartbeat, HeartbeatAnswer
from mcp_registry.heartbeats.collector import Collector, TooMany
from mcp_registry.heartbeats.threads import in_batch_thread, in_own_thread
from mcp_registry.services.heartbeats import Taken, compare, take_heartbeat, take_quiet
from toolboxes.intake.endpoints import accepted
from toolboxes.intake.peer import Peer
from toolboxes.intake.router import Route, answer, read
from toolboxes.models import Toolbox
from toolboxes.services.quiet_heartbeats import Beat

MOST_BY_THEMSELVES = 200
"""At once, those that wait for a thread included."""


class Endpoint:
    """Takes heartbeats: those in which nothing happened together, each of the others in a thread."""

    def __init__(self) -> None:
        self._collector = Collector(in_batch_thread(take_quiet))
        self._at_work = 0

    async def __call__(self, request: Request, peer: Peer | None) -> Response:
        """Take one; answers when the next is wanted, whether it must tell everything, and what is wanted changed."""
        report = await read(request, Heartbeat)
        assert peer is not None
        taken = await self._take(peer, report)
        return answer(HeartbeatAnswer(interval_seconds=settings.HEARTBEAT_SECONDS, resend=not taken.known, wanted=taken.wanted))

    async def _take(self, peer: Peer, report: Heartbeat) -> Taken:
        beat = Beat(toolbox=UUID(peer.toolbox), serial=peer.serial, at=timezone.now(), heartbeat=report)
        taken = await self._collector.put(beat) if beat.is_quiet else None
        if taken is not None and taken.compared:
            return taken
        return await self._take_by_itself(peer, report, is_stored=taken is not None)

    async def _take_by_itself(self, peer: Peer, report: Heartbeat, *, is_stored: bool) -> Taken:
        if self._at_work >= MOST_BY_THEMSELVES:
            raise TooMany("Too much happens on too many toolboxes at once. Report again in a moment.")
        self._at_work += 1
        try:
            return await in_own_thread(_compare if is_stored else _store)(peer, report)
        except DataError as error:
            raise InvalidInput("This heartbeat holds something that cannot be stored, such as a NUL character.") from error
        finally:
            self._at_work -= 1


def _store(peer: Peer, report: Heartbeat) -> Taken:
    return take_heartbeat(toolbox=accepted(peer).toolbox, heartbeat=report)


def _compare(peer: Peer, report: Heartbeat) -> Taken:
    return compare(toolbox=Toolbox.objects.get(pk=peer.toolbox), heartbeat=report)


ROUTES = {"/dtma/v1/heartbeat": Route("POST", Endpoint())}
