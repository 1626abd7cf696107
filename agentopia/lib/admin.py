"""Admin pages for rows that only services may write."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models
from django.http import HttpRequest


class ReadOnlyMixin:
    """Everything can be looked at, nothing added, changed or deleted."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False


class ReadOnlyAdmin[M: models.Model](ReadOnlyMixin, admin.ModelAdmin[M]):
    """A list and a detail page."""


class ReadOnlyInline[C: models.Model, P: models.Model](ReadOnlyMixin, admin.TabularInline[C, P]):
    """Rows of a parent's page."""

    extra = 0
    can_delete = False
