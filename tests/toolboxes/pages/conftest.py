"""Toolboxes in every state, as their rows would be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from accounts.models import User
from tests.intake import enrolled
from toolboxes.models import Job, Toolbox
from toolboxes.services.certificates import revoke_certificates
from toolboxes.services.enrolment import create_toolbox
from toolboxes.services.jobs import request_job
from toolboxes.versions import current_version

Make = Callable[..., Toolbox]
GB = 2**30


def info(**changes: Any) -> dict[str, Any]:
    """What a host might report of itself."""
    return {
        "dtma_version": current_version(), "hostname": "host", "cpus": 4, "memory_bytes": 8 * GB, "disk_free_bytes": 60 * GB,
        "disk_bytes": 100 * GB, "arch": "x86_64", "system": "Debian 13", "kernel": "6.12", "engine_version": "28.1", "engine_problem": "",
        "isolation": ["seccomp", "firewall"], **changes,
    }  # fmt: skip


def load(**changes: Any) -> dict[str, Any]:
    """How busy it might be."""
    return {"cpu_percent": 12.25, "load": 0.5, "memory_used_bytes": 2 * GB, "disk_used_bytes": 40 * GB, **changes}


@pytest.fixture
def make(user: User) -> Make:
    """Makes a toolbox in a given state; ``fields`` are written to its row last."""

    def made(name: str = "box", state: str = "online", owner: User | None = None, **fields: Any) -> Toolbox:
        toolbox = create_toolbox(owner=owner or user, name=name, provider=Toolbox.Provider.OWN_SERVER)
        if state != "pending":
            enrolled(toolbox)
            now = timezone.now()
            seen = now - timedelta(minutes=5) if state == "unresponsive" else now
            problem = "Cannot connect to the Docker daemon." if state == "no_engine" else ""
            reported = {"last_seen_at": seen, "info": info(engine_problem=problem), "load": load(), "shown_silent": False}
            Toolbox.objects.filter(pk=toolbox.pk).update(enrolled_at=now - timedelta(hours=1), **reported)
        if state == "revoked":
            revoke_certificates(toolbox=toolbox, reason="a test.")
        if state == "removing":
            request_job(toolbox=toolbox, kind=Job.Kind.REMOVE)
        if state == "removed":
            fields["deleted_at"] = timezone.now()
        if fields:
            Toolbox.objects.filter(pk=toolbox.pk).update(**fields)
        toolbox.refresh_from_db()
        return toolbox

    return made
