"""Resources of an agent's servers, as they are offered to be attached to a message."""

from __future__ import annotations

from uuid import UUID

import pytest

from agentopia.lib.errors import InvalidInput, NotFound
from agents.models import Grant
from agents.receipts import MASK
from agents.resources import read_resource, shelves_of
from agents.services.grants import change_grant, grant
from mcp_registry.models import McpServer
from tests.dtma.conftest import engine, image
from tests.gateway.conftest import Place, host, place

__all__ = ["engine", "host", "image", "place"]


@pytest.fixture
def library(place: Place) -> McpServer:
    server = place.deploy("one", "library", "library one")
    grant(owner=place.owner, agent_id=place.agent.pk, server_id=server.pk, approval=Grant.Approval.NEVER)
    return server


def test_what_servers_offer_is_listed_and_read(place: Place, library: McpServer) -> None:
    (shelf,) = shelves_of(place.owner, place.agent)
    assert (shelf.server, shelf.problem) == (library, "")
    for resource in shelf.resources:
        content = read_resource(place.owner, place.agent, library.pk, resource.uri)
        assert (content.uri, content.server) == (resource.uri, library)
        assert content.data
    with pytest.raises(InvalidInput, match="does not give"):
        read_resource(place.owner, place.agent, library.pk, "test://missing")
    with pytest.raises(NotFound):
        read_resource(place.owner, place.agent, UUID(int=1), "test://shared")


def test_a_grant_for_chosen_tools_has_none(place: Place, library: McpServer) -> None:
    offered = shelves_of(place.owner, place.agent)[0].resources[0]
    change_grant(owner=place.owner, grant_id=Grant.objects.get(agent=place.agent, server=library).pk, tools=["who"])
    assert shelves_of(place.owner, place.agent) == []
    with pytest.raises(NotFound):
        read_resource(place.owner, place.agent, library.pk, offered.uri)


def test_secrets_of_the_server_do_not_reach_the_model(place: Place, library: McpServer) -> None:
    offered = shelves_of(place.owner, place.agent)[0].resources[0]
    text = read_resource(place.owner, place.agent, library.pk, offered.uri).data.decode()
    McpServer.objects.filter(pk=library.pk).update(secrets={"KEY": text})
    assert read_resource(place.owner, place.agent, library.pk, offered.uri).data.decode() == MASK
