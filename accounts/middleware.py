"""Says who acts while a request is answered."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from accounts.acting import ADMIN, API, PAGE, Acting, acting
from accounts.addresses import address_of_request

WAYS = {"/api/": API, "/admin/": ADMIN}
"""By the beginning of a path; everything else is a page."""


class ActingMiddleware:
    """What is recorded while a request is answered was done by its user, by the way that its path tells.

    Who that is, the request is asked at the record: REST knows the user of a token only in the view.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        with acting(Acting(via=way_of(request.path), address=address_of_request(request.META), request=request)):
            return self.get_response(request)


def way_of(path: str) -> str:
    """By which way this path is reached."""
    return next((way for beginning, way in WAYS.items() if path.startswith(beginning)), PAGE)
