"""Pages of toolboxes."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from toolboxes import pages


@require_GET
def toolboxes(request: HttpRequest) -> HttpResponse:
    """All toolboxes of the user."""
    return render(request, "toolboxes/toolboxes.html", pages.toolboxes(user_of(request)))
