"""REST: toolboxes."""

from __future__ import annotations

from typing import Any

from rest_framework import generics, serializers

from accounts.requests import user_of
from toolboxes.models import Toolbox
from toolboxes.selectors import toolboxes_for


class ToolboxSerializer(serializers.ModelSerializer[Toolbox]):
    """A toolbox; ``status`` is ``online`` or, after three missed heartbeats, ``silent``. ``info`` is what it last reported of its host."""

    status = serializers.SerializerMethodField()

    class Meta:
        model = Toolbox
        fields = ("id", "name", "provider", "status", "last_seen_at", "info", "created_at")

    def get_status(self, toolbox: Toolbox) -> str:
        return "silent" if toolbox.is_silent() else "online"


class ToolboxesView(generics.ListAPIView[Toolbox]):
    """Your toolboxes."""

    serializer_class = ToolboxSerializer
    queryset = Toolbox.objects.none()

    def get_queryset(self) -> Any:
        return toolboxes_for(user_of(self.request))
