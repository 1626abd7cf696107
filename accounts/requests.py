"""The user of a request that only users can make."""

from __future__ import annotations

from django.http import HttpRequest
from rest_framework.request import Request

from accounts.models import User


def user_of(request: HttpRequest | Request) -> User:
    """The user who asks. An anonymous one is turned away before a view runs, so it is a fault of ours if there is none."""
    if not isinstance(request.user, User):
        raise TypeError("an anonymous request got past the sign-in")
    return request.user
