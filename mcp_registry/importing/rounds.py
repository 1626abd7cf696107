"""Asking a registry (the official one's HTTP API, v0.1; older plain answers too) for its servers, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import tenacity
from django.conf import settings

from agentopia.lib.errors import AgentopiaError, InvalidInput
from mcp_registry.importing.addresses import Reach, checked_address
from mcp_registry.importing.fetching import Limits, Refusal, fetch
from mcp_registry.importing.json_text import read_json
from mcp_registry.importing.offered import MAX_DOCUMENTS, Offered, offered

PAGE_SIZE = 100
LIMITS = Limits(max_bytes=8 * 1024 * 1024, seconds=30)
MAX_CURSOR = 500
TRIES = 3
LONGEST_PAUSE = 5.0
VERSIONS = ("v0.1", "v0")
"""Of the API; the second is for registries that have not got the first."""


@dataclass(frozen=True)
class Page:
    """What a registry offers on one page, and where the next begins; empty: there is none."""

    offered: list[Offered]
    cursor: str


def reach() -> Reach:
    """What registries may be at."""
    hosts = {host.lower() for host in settings.PRIVATE_REGISTRIES}
    return Reach(hosts=frozenset(hosts), everything="*" in hosts)


def checked_base(url: str) -> str:
    """The base address of a registry, as far as its text says; raises `InvalidInput`."""
    address = checked_address(url, reach())
    if address.query or address.fragment:
        raise InvalidInput("The address of a registry has no “?” or “#” in it.", code="invalid_address")
    return url.strip().rstrip("/")


def read_page(base: str, *, cursor: str = "", since: datetime | None = None) -> Page:
    """One page, with what was changed ``since`` then. Raises `InvalidInput` for nonsense, `Unavailable` where nobody answers."""
    query = {"limit": str(PAGE_SIZE), "version": "latest"}
    if cursor:
        query["cursor"] = cursor
    if since is not None:
        query |= {"updated_since": since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"), "include_deleted": "true"}
    return _page(read_json(_first_there(addresses_of(base), query), what="The registry's answer"))


def addresses_of(base: str) -> list[str]:
    """Where its servers may be listed."""
    if base.endswith("/servers"):
        return [base]
    if base.rsplit("/", 1)[-1] in VERSIONS:
        return [f"{base}/servers"]
    return [f"{base}/{version}/servers" for version in VERSIONS]


def _first_there(addresses: list[str], query: dict[str, str]) -> bytes:
    for address in addresses[:-1]:
        try:
            return _fetched(address, query)
        except Refusal as refusal:
            if refusal.status != 404:
                raise
    return _fetched(addresses[-1], query)


def _fetched(address: str, query: dict[str, str]) -> bytes:
    """Tried again for what may pass, after a while that grows, or that the registry asks for."""
    for attempt in tenacity.Retrying(
        retry=tenacity.retry_if_exception(lambda error: isinstance(error, AgentopiaError) and error.retryable),
        stop=tenacity.stop_after_attempt(TRIES),
        wait=_pause,
        reraise=True,
    ):
        with attempt:
            return fetch(address, reach=reach(), limits=LIMITS, query=query)
    raise AssertionError


def _pause(state: tenacity.RetryCallState) -> float:
    error = state.outcome.exception() if state.outcome else None
    asked = error.pause if isinstance(error, Refusal) else None
    return min(LONGEST_PAUSE, asked if asked is not None else tenacity.wait_random_exponential(multiplier=0.5, max=LONGEST_PAUSE)(state))


def _page(answer: Any) -> Page:
    if isinstance(answer, list):  # the oldest form
        answer = {"servers": answer}
    servers = answer.get("servers") if isinstance(answer, dict) else None
    if servers is None and isinstance(answer, dict) and "servers" in answer:
        servers = []
    if not isinstance(servers, list):
        raise InvalidInput("The registry's answer has no list of servers.", code="invalid_answer")
    if len(servers) > MAX_DOCUMENTS:
        raise InvalidInput(
            f"The registry sent {len(servers)} servers on one page; {MAX_DOCUMENTS} are too many already.", code="invalid_answer"
        )
    metadata = answer.get("metadata")
    told = metadata if isinstance(metadata, dict) else {}
    cursor = told.get("nextCursor", told.get("next_cursor")) or ""
    if not isinstance(cursor, str) or len(cursor) > MAX_CURSOR or not cursor.isprintable():
        raise InvalidInput("The registry's answer has a cursor that cannot be used.", code="invalid_answer")
    return Page([offered(server) for server in servers], cursor)
