from __future__ import annotations

from django.contrib import admin

from agentopia.lib.admin import ReadOnlyAdmin
from toolboxes.models import Toolbox


@admin.register(Toolbox)
class ToolboxAdmin(ReadOnlyAdmin[Toolbox]):
    list_display = ("name", "owner", "provider", "url", "last_seen_at")
    list_filter = ("provider",)
    list_select_related = ("owner",)
    search_fields = ("name", "owner__email")
    exclude = ("access_token", "heartbeat_digest")
