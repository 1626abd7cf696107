"""What a toolbox has and nobody here knows: listed, and what cannot be adopted or removed says why. (Doing it: tests/fleet.)"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from accounts.models import User
from agentopia.lib.errors import Conflict, NotFound, Unavailable
from dtma_wire import Orphan
from mcp_registry.models import McpServer, Stray
from mcp_registry.services.orphans import adopt, orphans_of, remove
from toolboxes.models import Job, Toolbox

CONTAINER = "c" * 64


def report(toolbox: Toolbox, **changes: Any) -> Toolbox:
    """The toolbox, after it told of a container that it does not own."""
    orphan = Orphan(
        **{
            "container": CONTAINER,
            "name": "agentopia-x",
            "server": str(uuid4()),
            "server_name": "weather",
            "image": "sha256:1",
            "created_at": timezone.now(),
            "running": True,
            "adoptable": True,
            **changes,
        }
    )
    toolbox.orphans = [orphan.model_dump(mode="json")]
    toolbox.save(update_fields=("orphans",))
    return toolbox


def stray(toolbox: Toolbox, **changes: Any) -> Stray:
    return Stray.objects.create(**{"toolbox": toolbox, "server": str(uuid4()), "name": "lost", "confirmed": True, **changes})


def test_containers_and_servers_are_one_list(toolbox: Toolbox) -> None:
    Toolbox.objects.filter(pk=toolbox.pk).update(skew_seconds=86400)
    toolbox.refresh_from_db()
    report(toolbox, created_at=timezone.now() + timedelta(days=1))
    found = stray(toolbox, phase="running", image="sha256:2")
    stray(toolbox, name="not sure yet", confirmed=False)
    server, container = orphans_of(toolbox)
    assert (server.key, server.kind, server.name, server.running, server.adoptable) == (found.server, "server", "lost", True, True)
    assert (container.key, container.kind, container.name, container.adoptable) == (CONTAINER, "container", "weather", True)
    assert abs(container.since - timezone.now()) < timedelta(seconds=5), "by our clock"


def test_what_is_not_ours_can_only_be_removed(user: User, toolbox: Toolbox) -> None:
    report(toolbox, server="test-1")
    stray(toolbox, server="another")
    for found in orphans_of(toolbox):
        assert not found.adoptable
        with pytest.raises(Conflict, match="its id is of another form"):
            adopt(owner=user, toolbox=toolbox, key=found.key)


def test_what_dtma_cannot_take_up_says_why(user: User, toolbox: Toolbox) -> None:
    report(toolbox, adoptable=False, reason="It was made by an older DTMA.")
    with pytest.raises(Conflict, match="made by an older DTMA"):
        adopt(owner=user, toolbox=toolbox, key=CONTAINER)


@pytest.mark.parametrize("act", [adopt, remove])
def test_a_strangers_toolbox_has_none(act: Callable[..., Any], stranger: User, toolbox: Toolbox) -> None:
    report(toolbox)
    with pytest.raises(NotFound):
        act(owner=stranger, toolbox=toolbox, key=CONTAINER)


@pytest.mark.parametrize("act", [adopt, remove])
def test_one_that_is_gone(act: Callable[..., Any], user: User, toolbox: Toolbox) -> None:
    with pytest.raises(NotFound):
        act(owner=user, toolbox=toolbox, key=CONTAINER)


@pytest.mark.parametrize("act", [adopt, remove])
def test_one_that_is_known_here_is_left_to_its_repair(
    act: Callable[..., Any], user: User, toolbox: Toolbox, make_server: Callable[..., McpServer]
) -> None:
    report(toolbox, server=str(make_server().pk))
    with pytest.raises(Conflict, match="brought back by itself"):
        act(owner=user, toolbox=toolbox, key=CONTAINER)


def test_a_toolbox_that_is_being_removed_keeps_nothing(user: User, toolbox: Toolbox) -> None:
    report(toolbox)
    Job.objects.create(toolbox=toolbox, kind=Job.Kind.REMOVE)
    with pytest.raises(Conflict, match="is being removed"):
        adopt(owner=user, toolbox=toolbox, key=CONTAINER)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("act", [adopt, remove])
def test_a_toolbox_that_does_not_answer_changes_nothing(act: Callable[..., Any], user: User, toolbox: Toolbox) -> None:
    found = stray(toolbox)
    with pytest.raises(Unavailable, match="does not answer"):
        act(owner=user, toolbox=toolbox, key=found.server)
    assert Stray.objects.filter(pk=found.pk).exists()
    assert not McpServer.objects.exists()
