"""The WebSocket of the list of toolboxes."""

from __future__ import annotations

from django.template.loader import render_to_string

from agentopia.lib import live
from toolboxes import pages


class ToolboxesPage(live.LivePage):
    def groups_of_page(self) -> list[str]:
        return [live.owner_group(self.user.pk)]

    def fragments(self) -> list[str]:
        return [render_to_string("toolboxes/toolboxes.html#rows", pages.toolboxes(self.user))]
