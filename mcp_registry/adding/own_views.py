"""Changing and deleting one's own entries."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import Conflict, InvalidInput
from mcp_registry.adding.forms import EntryForm, variable_rows
from mcp_registry.adding.views import GET_POST, own_entry
from mcp_registry.importing.drafts import draft_of
from mcp_registry.importing.json_text import read_json
from mcp_registry.models import CatalogEntry
from mcp_registry.services.own_entries import add_entry, delete_entry, next_version


class TextForm(forms.Form):
    """The whole document."""

    text = forms.CharField(
        label="server.json", max_length=300_000, widget=forms.Textarea(attrs={"rows": 24, "spellcheck": "false", "class": "mono"})
    )


@never_cache
@require_http_methods(GET_POST)
def edit(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """The form of an entry, for its next version; one that has more than the form knows is edited as text."""
    entry = own_entry(user_of(request), entry_id)
    draft = draft_of(entry.manifest)
    if draft is None:
        return redirect("catalog:edit-text", entry.pk)
    proposed = _proposed(entry)
    if request.method == "GET":
        form = EntryForm(initial=EntryForm.initial_of(draft), new_version=proposed)
        return _page(request, entry, form, variable_rows(variables=draft.variables))
    more = "more" in request.POST
    form, rows = EntryForm(request.POST, new_version=proposed), variable_rows(request.POST, more=more)
    if not more and form.is_valid() and rows.is_valid():
        try:
            changed = _save(request, entry, form.draft(rows.variables, name=entry.name, before=draft.before).document())
        except (InvalidInput, Conflict) as error:
            _place(form, error)
        else:
            return changed
    return _page(request, entry, form, rows, status=200 if more else 422)


@never_cache
@require_http_methods(GET_POST)
def edit_text(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """The same as a ``server.json``."""
    entry = own_entry(user_of(request), entry_id)
    offered = {**entry.manifest, "version": _proposed(entry)}
    form = TextForm(request.POST if request.method == "POST" else None, initial={"text": json.dumps(offered, indent=2, ensure_ascii=False)})
    if request.method == "POST" and form.is_valid():
        try:
            document = read_json(form.cleaned_data["text"], lenient=True)
            if isinstance(document, dict) and document.get("name") != entry.name:
                raise InvalidInput(f"Its name stays “{entry.name}”: under another one it would be another entry.")
            return _save(request, entry, document)
        except (InvalidInput, Conflict) as error:
            form.add_error("text", error.message)
    status = 422 if request.method == "POST" else 200
    context = {"entry": entry, "form": form, "has_form": draft_of(entry.manifest) is not None}
    return render(request, "mcp_registry/adding/edit_text.html", context, status=status)


@require_POST
def delete(request: HttpRequest, entry_id: UUID) -> HttpResponse:
    """Delete an entry; its servers go on."""
    gone = delete_entry(owner=user_of(request), entry_id=entry_id)
    messages.success(request, f"“{gone.title}” was deleted. Servers of it go on.")
    return redirect("catalog:list")


def _save(request: HttpRequest, entry: CatalogEntry, document: Any) -> HttpResponse:
    was_published = entry.published_at is not None
    changed = add_entry(owner=user_of(request), document=document)
    private = " It is private again until an admin publishes this version." if was_published else ""
    messages.success(request, f"“{changed.title}” is at version {changed.version} now.{private}")
    return redirect("catalog:entry", changed.pk)


def _proposed(entry: CatalogEntry) -> str:
    return next_version(entry.version, entry.versions.values_list("version", flat=True))


def _place(form: EntryForm, error: InvalidInput | Conflict) -> None:
    if error.code == "entry_exists":
        form.add_error("entry_version", error.message)
    else:
        form.add_problems(error.fields or {"": error.message})


def _page(request: HttpRequest, entry: CatalogEntry, form: EntryForm, rows: Any, *, status: int = 200) -> HttpResponse:
    kind = form["kind"].value()
    context = {"entry": entry, "form": form, "rows": rows, "is_image": kind == "oci", "kind": kind}
    return render(request, "mcp_registry/adding/edit.html", context, status=status)
