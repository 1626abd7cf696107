"""The WebSocket of the list of toolboxes."""

from __future__ import annotations

import asyncio

from django.conf import settings
from django.template.loader import render_to_string

from agentopia.lib import live
from toolboxes import pages


class ToolboxesPage(live.LivePage):
    """The list; read again as often as toolboxes report, since a heartbeat that changes no state makes no event."""

    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        return [render_to_string("toolboxes/toolboxes.html#rows", pages.toolboxes(self.user))]

    async def connect(self) -> None:
        await super().connect()
        if self.joined:
            self.start(self._keep_current())

    async def _keep_current(self) -> None:
        while True:
            await asyncio.sleep(settings.HEARTBEAT_SECONDS)
            self.changed.set()
