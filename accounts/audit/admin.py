"""What people change in Django's admin is recorded like everything else."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db import models, transaction
from django.forms import ModelForm
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator

from accounts.audit.recording import SECRET, Target, record
from accounts.models import User

SECRETS = frozenset({"password", "password1", "password2", "usable_password", "token", "secret", "secrets", "digest", "key"})
ATTRIBUTE = "audited_changes"


class AuditedAdmin(admin.ModelAdmin[Any]):
    """Mixed into every admin page that can write. Actions are `user.added`, `user.changed` and `user.deleted`, by the name of the model."""

    @method_decorator(transaction.atomic)
    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """In one transaction, as the other pages are: an action's changes and their record."""
        return super().changelist_view(request, extra_context)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        setattr(request, ATTRIBUTE, changes_of(form, added=add))  # the log methods below are not given the form
        return super().construct_change_message(request, form, formsets, add)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self._record(request, obj, "added")
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        self._record(request, obj, "changed")
        return super().log_change(request, obj, message)

    def log_deletions(self, request: HttpRequest, queryset: Any) -> Any:
        for doomed in queryset:
            self._record(request, doomed, "deleted")
        return super().log_deletions(request, queryset)

    def _record(self, request: HttpRequest, row: models.Model, what: str) -> None:
        changes = getattr(request, ATTRIBUTE, {}) if what != "deleted" else {}
        record(action=f"{type(row).__name__.lower()}.{what}", target=Target.of(row), owner=owner_of(row), changes=changes)


def owner_of(row: models.Model) -> int | None:
    """Whose thing a row is."""
    if isinstance(row, User):
        return row.pk
    owner: int | None = getattr(row, "owner_id", None) or getattr(row, "user_id", None)
    return owner


def changes_of(form: ModelForm[Any], *, added: bool) -> dict[str, Any]:
    """``{field: [before, after]}`` of what a form changed; of secrets, only that they were."""
    changes: dict[str, Any] = {}
    for name in form.changed_data:
        if name in SECRETS:
            changes["password" if name.startswith(("password", "usable")) else name] = SECRET
        elif name in form.cleaned_data:
            changes[name] = [None if added else _plain(form.initial.get(name)), _plain(form.cleaned_data[name])]
    return changes


def _plain(value: Any) -> Any:
    """As JSON can hold it."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, models.QuerySet | list | tuple | set):
        return sorted(str(item) for item in value)
    return str(value)
