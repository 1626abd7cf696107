"""``manage.py enrol_this_machine``: makes this machine a toolbox of the demo user and writes DTMA's configuration."""

from __future__ import annotations

import json
import os
import socket
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from accounts.models import User
from accounts.services import DEMO_EMAIL
from toolboxes.services import enrol_this_machine


class Command(BaseCommand):
    help = "Enrol this machine as a toolbox and write $AGENTOPIA_HOME/dtma/config.json, readable by its owner alone."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--owner", default=DEMO_EMAIL, help="E-mail address of the toolbox's owner.")
        parser.add_argument("--port", type=int, default=0, help="Port of DTMA on 127.0.0.1; the one of before, or a free one, unless told.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            owner = User.objects.get_by_natural_key(options["owner"])
        except User.DoesNotExist:
            raise CommandError(f"There is no user {options['owner']}.") from None
        path = settings.HOME / "dtma" / "config.json"
        port = options["port"] or _usable_port(path)
        enrolment = enrol_this_machine(owner=owner, url=f"http://127.0.0.1:{port}")
        config = {
            "toolbox": str(enrolment.toolbox.pk),
            "host": "127.0.0.1",
            "port": port,
            "access_token_sha256": enrolment.access_token_sha256,
            "heartbeat_url": f"http://127.0.0.1:{settings.ENVIRONMENT.port}/dtma/v1/heartbeat",
            "heartbeat_token": enrolment.heartbeat_token,
            "docker_url": os.environ.get("DOCKER_HOST") or None,
        }
        _write_privately(path, json.dumps(config, indent=1))
        self.stdout.write(f"This machine is the toolbox “{enrolment.toolbox.name}”.")


def _usable_port(path: Path) -> int:
    """The port of the present configuration if it is free, else any free one."""
    try:
        wanted = int(json.loads(path.read_text())["port"])
    except (FileNotFoundError, ValueError, KeyError):
        wanted = 0
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise CommandError("No port is free on 127.0.0.1.")


def _write_privately(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    fresh.replace(path)
