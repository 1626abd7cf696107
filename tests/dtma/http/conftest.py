"""A DTMA that waits longer, for servers on the official SDK start slowly on a busy machine; each goes with its test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from dtma_client import DtmaClient
from tests.dtma.agent import Agent


@pytest.fixture(scope="session")
def agent(toolbox: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    """The shared DTMA of these tests. Do not kill it."""
    agent = Agent(tmp_path_factory.mktemp("dtma"), toolbox, handshake_seconds=60).start()
    yield agent
    agent.stop()


@pytest.fixture(autouse=True)
async def removed_afterwards(client: DtmaClient, server_id: str) -> AsyncIterator[None]:
    """An engine has addresses for about thirty networks."""
    yield
    await client.delete(server_id)
