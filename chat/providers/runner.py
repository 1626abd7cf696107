"""What the runner's model of a provider is made from."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx2

from chat.providers.waiting import Patience


@dataclass(frozen=True)
class Means:
    """Where a provider is, with what it is asked, and how long that may take. It is the one place where a key stands in the clear."""

    base_url: str
    api_key: str = field(repr=False)
    client: httpx2.AsyncClient = field(repr=False)
    patience: Patience
