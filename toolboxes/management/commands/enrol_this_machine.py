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
from toolboxes.identity.authority import certificate_authority, serial_of
from toolboxes.models import Toolbox
from toolboxes.selectors import certificate_of
from toolboxes.services.enrolment import new_token, this_machine


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
        home = settings.HOME / "dtma"
        path = home / "config.json"
        port = options["port"] or _usable_port(path)
        toolbox = this_machine(owner=owner, url=f"https://127.0.0.1:{port}")
        config = {
            "toolbox": str(toolbox.pk),
            "host": "127.0.0.1",
            "port": port,
            "control_url": settings.INTAKE_URL,
            "docker_url": os.environ.get("DOCKER_HOST") or None,
        }
        if not _has_certificate(home, toolbox):
            # DTMA uses it at its start, as on any other machine; it makes its own key and nobody else ever has that.
            config["enrolment"] = {
                "token": new_token(toolbox=toolbox).token,
                "ca_fingerprint": certificate_authority().fingerprint,
            }
        _write_privately(path, json.dumps(config, indent=1))
        self.stdout.write(f"This machine is the toolbox “{toolbox.name}”.")


def _has_certificate(home: Path, toolbox: Toolbox) -> bool:
    """Whether DTMA holds a certificate of this toolbox with which it can go on, be it by renewing it."""
    try:
        certificate = certificate_of(str(toolbox.pk), serial_of((home / "identity" / "certificate.pem").read_text()))
    except (FileNotFoundError, ValueError):
        return False
    return certificate is not None and certificate.is_renewable() and toolbox.enrolled_at is not None


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
