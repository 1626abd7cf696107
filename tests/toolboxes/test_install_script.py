"""What `/install/TOKEN` answers. What the script does is tried on machines, in `install/`."""

from __future__ import annotations

import subprocess
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import Settings

from accounts.models import User
from toolboxes.models import EnrolmentToken, Toolbox
from toolboxes.services.enrolment import create_toolbox, new_token


@pytest.fixture
def token(user: User) -> str:
    return new_token(toolbox=create_toolbox(owner=user, name="mine", provider=Toolbox.Provider.OWN_SERVER)).token


def variables(script: str) -> dict[str, str]:
    """The values that the script begins with, as a shell reads them."""
    names = ("INTAKE", "INTAKE_HOST", "INTAKE_PORT", "TOKEN", "TOOLBOX", "USED", "PROBLEM")
    assignments = "\n".join(line for line in script.splitlines() if line.partition("=")[0] in names)
    show = "".join(f'printf "%s\\n" "${name}"\n' for name in names)
    said = subprocess.run(["sh", "-eu", "-c", f"{assignments}\n{show}"], capture_output=True, text=True, check=True).stdout
    return dict(zip(names, said.split("\n"), strict=False))


def test_anyone_with_the_token_gets_a_script_that_nobody_keeps(token: str, client: Client, settings: Settings) -> None:
    settings.INTAKE_URL = "https://[2001:db8::1]:9000"
    answer = client.get(f"/install/{token}")
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("text/x-shellscript")
    assert "no-store" in answer["Cache-Control"]
    script = answer.content.decode()
    assert script.startswith("#!/bin/sh\n")
    assert script.endswith('\nmain "$@" </dev/null\n')
    subprocess.run(["sh", "-n"], input=script, text=True, check=True)
    found = variables(script)
    assert (found["TOKEN"], found["USED"], found["PROBLEM"]) == (token, "", "")
    assert found["TOOLBOX"] == str(Toolbox.objects.get().pk)
    assert (found["INTAKE"], found["INTAKE_HOST"], found["INTAKE_PORT"]) == ("https://[2001:db8::1]:9000", "[2001:db8::1]", "9000")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"expires_at": timezone.now() - timedelta(seconds=1)}, "has expired"),
        ({"withdrawn_at": timezone.now()}, "newer install command"),
        ({"digest": "0" * 64}, "is not known here"),
    ],
)
def test_a_token_that_does_not_count_is_said_so(token: str, client: Client, change: dict[str, object], sentence: str) -> None:
    EnrolmentToken.objects.update(**change)
    assert sentence in variables(client.get(f"/install/{token}").content.decode())["PROBLEM"]


def test_a_used_one_is_for_the_machine_that_used_it(token: str, client: Client) -> None:
    EnrolmentToken.objects.update(used_at=timezone.now())
    found = variables(client.get(f"/install/{token}").content.decode())
    assert (found["USED"], found["PROBLEM"]) == ("yes", "")


def test_what_is_not_a_token_does_not_reach_the_script(client: Client, db: None) -> None:
    answer = client.get("/install/$(reboot)'%22;reboot;%22")
    assert b"reboot" not in answer.content
    assert client.post("/install/x").status_code == 405
