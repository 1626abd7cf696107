"""The official conformance suite through the gateway and DTMA: what a server passes directly it passes at its address in the gateway."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from docker import DockerClient

from accounts.models import User
from accounts.services import create_api_token
from agents.models import Grant
from mcp_registry.models import CatalogEntry
from tests.agents.granting import agent_with
from tests.conformance.front import with_token
from tests.conformance.suite import judge
from tests.conformance.test_conformance import SCORED, everything, over, suite
from tests.dtma.agent import Agent
from tests.dtma.conftest import engine
from tests.gateway.place import deployed, own_agent, toolbox_of
from tests.gateway.web import web

__all__ = ["engine", "everything", "suite"]

pytestmark = [pytest.mark.timeout(900), pytest.mark.xdist_group("conformance")]


@pytest.fixture(scope="module")
def host(engine: DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agent]:
    with own_agent(engine, tmp_path_factory.mktemp("dtma")) as agent:
        yield agent


@pytest.fixture
def offered(transactional_db: None, host: Agent, everything: str, user: User, catalog: dict[str, CatalogEntry], transport: str) -> str:
    """The name of a server with everything that the suite asks for, which an agent may use without being asked."""
    servers = deployed(host, toolbox_of(host, user), catalog["everything"], **{transport: over(transport, everything)})
    agent_with(user, *servers.values(), approval=Grant.Approval.NEVER)
    return transport


@pytest.fixture
def token(user: User, transactional_db: None) -> str:
    return create_api_token(user=user, name="suite")


@pytest.fixture
def gateway(offered: str) -> Iterator[str]:
    with web() as url:
        yield url


@pytest.mark.parametrize("revision", SCORED)
@pytest.mark.parametrize("transport", ["stdio", "http"])
async def test_every_scored_scenario_passes(gateway: str, offered: str, token: str, suite: Path, tmp_path: Path, revision: str) -> None:
    async with with_token(f"{gateway}/mcp/helper/{offered}", token) as url:
        verdict = await judge(suite, url, revision, tmp_path)
    assert not verdict.failed, verdict.output[-20_000:]
    assert len(verdict.passed) == SCORED[revision], verdict.output[-5_000:]
