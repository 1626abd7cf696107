"""The WebSocket of the page that follows a toolbox's making or removing."""

from __future__ import annotations

from django.template.loader import render_to_string

from agentopia.lib import live
from toolboxes import add_pages
from toolboxes.job_selectors import toolbox_or_removed_for


class SetupPage(live.LivePage):
    """Its heading, its steps and its facts. The install command is the browser's own; here it can only end."""

    def groups_of_page(self) -> list[str]:
        return [live.toolbox_group(toolbox_or_removed_for(self.user, self.kwargs["toolbox_id"]).pk)]

    def fragments(self) -> list[str]:
        context = add_pages.setup(self.user, self.kwargs["toolbox_id"])
        parts = ["header", "said", "steps", "facts"] + ([] if context["wants_command"] else ["command_over"])
        return [render_to_string(f"toolboxes/add/setup.html#{part}", context) for part in parts]
