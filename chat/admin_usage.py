"""What models were used for and cost, in Django admin: the ledger as it is, and nothing to change in it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from chat.admin_conversations import ListOnlyAdmin
from chat.models import ModelProvider, ModelUsage

WHOSE = {"shared": "Shared", "own": "Users' own", "gone": "Deleted"}


class WhoseProvider(admin.SimpleListFilter):
    """Budgets are of shared ones; users' own are theirs alone, so that their names are no filter."""

    title = "provider"
    parameter_name = "whose"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        shared = ModelProvider.objects.filter(owner=None).values_list("pk", "name")
        return [*WHOSE.items(), *((str(pk), f"Shared: {name}") for pk, name in shared)]

    def queryset(self, request: HttpRequest, queryset: QuerySet[ModelUsage]) -> QuerySet[ModelUsage]:
        chosen = self.value()
        match chosen:
            case None:
                return queryset
            case "shared":
                return queryset.filter(provider__isnull=False, provider__owner=None)
            case "own":
                return queryset.filter(provider__owner__isnull=False)
            case "gone":
                return queryset.filter(provider=None)
        known = {str(key) for key, _ in self.lookup_choices}
        return queryset.filter(provider_id=UUID(chosen)) if chosen in known else queryset.none()


@admin.register(ModelUsage)
class ModelUsageAdmin(ListOnlyAdmin[ModelUsage]):
    list_display = ("created_at", "owner", "agent_name", "provider_name", "model", "requests", "input_tokens", "output_tokens", "cost_usd")
    list_filter = (WhoseProvider, ("cost_usd", admin.EmptyFieldListFilter))
    list_select_related = ("owner",)
    date_hierarchy = "created_at"
    search_fields = ("owner__email", "agent_name", "provider_name", "model")
    ordering = ("-created_at",)
    show_full_result_count = False
