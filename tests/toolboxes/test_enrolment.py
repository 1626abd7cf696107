"""Enrolling this machine."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from django.core.management import call_command
from pytest_django import Settings

from accounts.models import User
from toolboxes.models import Toolbox


@pytest.fixture
def config(user: User, settings: Settings, tmp_path: Path) -> Path:
    settings.HOME = tmp_path
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    return tmp_path / "dtma" / "config.json"


def test_each_side_knows_only_what_it_needs(config: Path) -> None:
    written, toolbox = json.loads(config.read_text()), Toolbox.objects.get()
    assert config.stat().st_mode & 0o777 == 0o600
    assert config.parent.stat().st_mode & 0o777 == 0o700
    assert written["access_token_sha256"] == hashlib.sha256(toolbox.access_token.encode()).hexdigest()
    assert toolbox.access_token not in config.read_text()
    assert toolbox.heartbeat_digest == hashlib.sha256(written["heartbeat_token"].encode()).hexdigest()
    assert toolbox.url == f"http://127.0.0.1:{written['port']}"


def test_enrolling_again_keeps_the_toolbox_and_its_port_and_renews_the_tokens(config: Path, user: User) -> None:
    before = json.loads(config.read_text())
    call_command("enrol_this_machine", "--owner", user.email, verbosity=0)
    after = json.loads(config.read_text())
    assert Toolbox.objects.count() == 1
    assert (before["toolbox"], before["port"]) == (after["toolbox"], after["port"])
    assert before["heartbeat_token"] != after["heartbeat_token"]
