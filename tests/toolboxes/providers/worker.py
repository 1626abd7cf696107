"""A worker in a process of its own, which a test can kill with SIGKILL: it carries out one job as far as it goes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = """
import sys, uuid, django
django.setup()
from django.conf import settings
from toolboxes.services.job_work import carry_out
settings.DIGITALOCEAN_API_URL, settings.PUBLIC_URL = sys.argv[2:4]
settings.CONTROL_PLANE_ADDRESSES = ["198.51.100.4/32"]
carry_out(job_id=uuid.UUID(sys.argv[1]))
"""


def start_worker(job_id: UUID) -> subprocess.Popen[bytes]:
    """It works on the test's own database."""
    url = urlsplit(os.environ["DATABASE_URL"])._replace(path=f"/{connection.settings_dict['NAME']}").geturl()
    environment = {**os.environ, "DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "agentopia.settings"}
    arguments = [sys.executable, "-c", SCRIPT, str(job_id), settings.DIGITALOCEAN_API_URL, settings.PUBLIC_URL]
    return subprocess.Popen(arguments, cwd=ROOT, env=environment)


def kill(worker: subprocess.Popen[bytes]) -> None:
    worker.send_signal(signal.SIGKILL)
    worker.wait(10)
