"""``/search/``: what the command palette shows for what is typed."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_GET

from accounts.requests import user_of
from agentopia.lib import palette


@never_cache
@require_GET
def search(request: HttpRequest) -> HttpResponse:
    """The list of what was found, as a fragment."""
    typed = request.GET.get("q", "")
    found = palette.find(user_of(request), typed)
    return render(request, "palette/results.html", {"found": found, "typed": " ".join(palette.words_of(typed))})
