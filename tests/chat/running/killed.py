"""A runner that carries out one run, until it is killed: ``killed RUN``."""

from __future__ import annotations

import os
import sys
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")
django.setup(set_prefix=False)

from chat.running.engine import EngineThread  # noqa: E402

if __name__ == "__main__":
    EngineThread().perform(UUID(sys.argv[1]))
    print("over", flush=True)
