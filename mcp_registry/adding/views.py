"""The pages to add entries of one's own: something short is asked, what would come of it is shown, and then it is added."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from accounts.requests import user_of
from agentopia.lib.errors import AgentopiaError, Conflict, InvalidInput, NotFound, Unavailable
from mcp_registry.adding import sources
from mcp_registry.adding.forms import ConfigurationForm, DocumentForm, EntryForm, ImageForm, PackageForm, variable_rows
from mcp_registry.adding.sources import Reviewed
from mcp_registry.importing.drafts import EntryDraft
from mcp_registry.importing.json_text import read_json
from mcp_registry.importing.lookup import BY_HAND, LOOKED_UP, look_up
from mcp_registry.importing.offered import Offered
from mcp_registry.models import CatalogEntry
from mcp_registry.services.own_entries import Added, add_all, add_entry

GET_POST = ["GET", "POST"]


@never_cache
@require_http_methods(GET_POST)
def package(request: HttpRequest) -> HttpResponse:
    """By the name of a package: it is looked up through a toolbox, and the form of its entry shown."""
    form = PackageForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        kind, identifier, version = (form.cleaned_data[name] for name in ("kind", "identifier", "version"))
        draft, notice = EntryDraft(kind=kind, identifier=identifier, version=version), ""
        versions: tuple[str, ...] = ()
        try:
            if kind in LOOKED_UP:
                told = look_up(user_of(request), kind, identifier)
                versions = told.versions
                draft = EntryDraft(
                    kind=kind,
                    identifier=told.name,
                    version=version or told.version,
                    description=told.description,
                    license=told.license,
                    homepage=told.homepage,
                )
            elif not version:
                notice = f"Packages of NuGet cannot be looked up. {BY_HAND}"
        except Unavailable as error:
            notice = error.message
        except AgentopiaError as error:  # there is no such package, or it cannot be the name of one
            form.add_error("identifier", error.message)
        if form.is_valid():
            return _entry_page(request, EntryForm(initial=EntryForm.initial_of(draft), versions=versions), variable_rows(), notice=notice)
    return _page(request, "package", {"form": form})


@never_cache
@require_http_methods(GET_POST)
def image(request: HttpRequest) -> HttpResponse:
    """By an image: nothing is looked up, the reference is enough."""
    form = ImageForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        draft = EntryDraft(kind="oci", identifier=form.cleaned_data["identifier"])
        return _entry_page(request, EntryForm(initial=EntryForm.initial_of(draft)), variable_rows())
    return _page(request, "image", {"form": form})


@never_cache
@require_http_methods(GET_POST)
def entry(request: HttpRequest) -> HttpResponse:
    """What the form of an entry says is added; with the button “More rows” it is shown again, longer."""
    if request.method == "GET":
        return redirect("catalog:add")
    more = "more" in request.POST
    form, rows = EntryForm(request.POST), variable_rows(request.POST, more=more)
    if not more and form.is_valid() and rows.is_valid():
        try:
            added = add_entry(owner=user_of(request), document=form.draft(rows.variables).document(), renumber=True)
        except (InvalidInput, Conflict) as error:
            form.add_problems(error.fields or {"": error.message})
        else:
            messages.success(request, f"“{added.title}” was added. Only you see it.")
            return redirect("catalog:entry", added.pk)
    return _entry_page(request, form, rows, status=200 if more else 422)


@never_cache
@require_http_methods(GET_POST)
def document(request: HttpRequest) -> HttpResponse:
    """By one or several ``server.json``, out of a file, from an address, or pasted."""
    form = DocumentForm(_sent(request), request.FILES or None)
    if request.method == "POST" and form.is_valid():
        given = form.cleaned_data
        try:
            found = sources.from_address(given["address"]) if given["address"] else sources.from_text(_text_of(given))
        except AgentopiaError as error:
            form.add_error("address" if given["address"] else "file" if given.get("file") else "text", error.message)
        else:
            return _review(request, found)
    return _page(request, "document", {"form": form})


@never_cache
@require_http_methods(GET_POST)
def configuration(request: HttpRequest) -> HttpResponse:
    """By a client's configuration. Its values do not come back to the page."""
    form = ConfigurationForm(_sent(request))
    if request.method == "POST" and form.is_valid():
        try:
            return _review(request, sources.from_configuration(user_of(request), form.cleaned_data["text"]))
        except (InvalidInput, NotFound, Unavailable) as error:
            form.add_error("text", error.message)
    return _page(request, "configuration", {"form": form})


@require_POST
def review(request: HttpRequest) -> HttpResponse:
    """Add what was ticked of what was looked through."""
    documents = read_json(request.POST.get("documents", ""), what="What was to be added")
    if not isinstance(documents, list) or len(documents) > sources.MOST:
        raise InvalidInput("What was to be added cannot be read any more. Begin again.", code="invalid_review")
    taken = [number for number in request.POST.getlist("take") if number.isdecimal() and len(number) < 5]
    chosen = [
        Offered(sources.with_network(documents[int(number)], request.POST.get(f"network-{number}", "")))
        for number in dict.fromkeys(taken)
        if int(number) < len(documents) and isinstance(documents[int(number)], dict)
    ]
    if not chosen:
        found = [sources.reviewed(Offered(one)) for one in documents]
        return _review(request, found, problem="Tick at least one of them.")
    added = add_all(owner=user_of(request), offered=chosen, renumber=True)
    return _told(request, added)


def _told(request: HttpRequest, added: list[Added]) -> HttpResponse:
    entries = [one.entry for one in added if one.entry is not None]
    for one in [one for one in added if one.problem][:5]:
        messages.error(request, f"{one.name}: {one.problem}")
    if len(entries) == 1:
        was_there = any(one.unchanged for one in added)
        messages.success(request, f"“{entries[0].title}” {'was there already' if was_there else 'was added. Only you see it'}.")
        return redirect("catalog:entry", entries[0].pk)
    if entries:
        messages.success(request, f"{len(entries)} entries were added. Only you see them.")
    return redirect("catalog:list" if entries else "catalog:add")


def _sent(request: HttpRequest) -> QueryDict | None:
    """A form that was sent empty was sent all the same."""
    return request.POST if request.method == "POST" else None


def _text_of(given: dict[str, Any]) -> str | bytes:
    return bytes(given["file"].read()) if given.get("file") else str(given["text"])


def _page(request: HttpRequest, way: str, context: dict[str, Any]) -> HttpResponse:
    status = 422 if request.method == "POST" else 200
    return render(request, f"mcp_registry/adding/{way}.html", context, status=status)


def _entry_page(request: HttpRequest, form: EntryForm, rows: Any, *, notice: str = "", status: int = 200) -> HttpResponse:
    kind = form["kind"].value()
    context = {"form": form, "rows": rows, "notice": notice, "is_image": kind == "oci", "kind": kind}
    return render(request, "mcp_registry/adding/entry.html", context, status=status)


def _review(request: HttpRequest, found: list[Reviewed], *, problem: str = "") -> HttpResponse:
    usable = [one for one in found if one.document is not None]
    context = {
        "usable": usable,
        "refused": [one for one in found if one.document is None],
        "documents": json.dumps([one.document for one in usable]),
        "problem": problem,
    }
    return render(request, "mcp_registry/adding/review.html", context, status=422 if problem else 200)


def own_entry(user: Any, entry_id: Any) -> CatalogEntry:
    """One of the user's own entries; raises `NotFound`."""
    found = CatalogEntry.objects.filter(owner=user, pk=entry_id).first()
    if found is None:
        raise NotFound("You have no such entry of your own.", code="entry_not_found")
    return found
