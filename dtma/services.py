"""What all servers of one DTMA share."""

from __future__ import annotations

from dataclasses import dataclass

import aiohttp

from dtma.builds import Builder
from dtma.config import Config
from dtma.engine import Engine
from dtma.identity import Identity
from dtma.isolation.guard import Guard
from dtma.observing.stats import Sampler
from dtma.store import Home


@dataclass(frozen=True)
class Services:
    """Made once at start."""

    config: Config
    home: Home
    engine: Engine
    builder: Builder
    http: aiohttp.ClientSession
    sampler: Sampler
    guard: Guard
    identity: Identity
