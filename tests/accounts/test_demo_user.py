"""The demo user of the first start."""

from __future__ import annotations

from io import StringIO

from django.core.management import call_command
from django.test import Client

from accounts.services import DEMO_EMAIL


def test_its_password_is_printed_once_and_signs_in(db: None) -> None:
    first, second = StringIO(), StringIO()
    call_command("ensure_demo_user", stdout=first)
    call_command("ensure_demo_user", stdout=second)
    assert second.getvalue() == ""
    password = first.getvalue().split("password ")[1].split(" ")[0]
    assert Client().login(email=DEMO_EMAIL, password=password)
