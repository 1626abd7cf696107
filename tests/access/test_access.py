"""Every page, fragment, download, API route and WebSocket that there is, tried as nobody and as another user.

The addresses come from the URL configuration itself, so that a new one cannot be forgotten. `parameters.py` says what stands for their
parameters. Whatever another user is answered, nothing of the owner's is in it, and nothing of the owner's has changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from channels.db import database_sync_to_async
from channels.routing import URLRouter
from django.contrib.auth.models import AnonymousUser
from django.http import HttpResponse, StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import Client

from accounts.models import ApiToken, AuditEvent, User
from agentopia.lib.live import GONE, SIGN_IN_AGAIN
from agentopia.routing import websocket_urlpatterns
from agents.models import Agent, Approval, CallPolicy, Grant, GrantedTool
from chat.models import Conversation, ModelChoice, ModelProvider, ModelUsage, Question, Run
from mcp_registry.models import CatalogEntry, McpServer
from tests.access.belongings import Belongings, belongings_of
from tests.access.parameters import BODIES, CANARY, PUBLIC, SHARED, THINGS, things_of
from tests.access.routes import Route, all_routes, all_sockets
from toolboxes.models import CloudAccount, Toolbox

stored = pytest.mark.django_db(transaction=True)
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
REFUSED = (401, 403, 404)
NOT_TAKEN = 405
OTHER = "eves"
ROUTES = all_routes()
SOCKETS = all_sockets()


@pytest.fixture
def owned(user: User) -> Belongings:
    return belongings_of(user, CANARY)


@pytest.fixture
def others(stranger: User) -> Belongings:
    return belongings_of(stranger, OTHER)


def sent(client: Client, method: str, route: Route, path: str) -> HttpResponseBase:
    body = BODIES.get(route.declared, {})
    if path.startswith("/api/") or method in ("PUT", "PATCH"):
        return client.generic(method, path, json.dumps(body) if method != "GET" else "", "application/json")
    return client.generic(method, path) if method != "POST" else client.post(path, body)


def body_of(answer: HttpResponseBase) -> str:
    """All that was answered: body and headers."""
    headers = " ".join(f"{name}: {value}" for name, value in answer.items())
    if isinstance(answer, StreamingHttpResponse):

        async def read() -> bytes:
            return b"".join([part async for part in answer])

        content = async_to_sync(read)() if answer.is_async else b"".join(answer)  # type: ignore[arg-type]  # it is synchronous
        return content.decode(errors="replace") + headers
    assert isinstance(answer, HttpResponse)
    return answer.content.decode(errors="replace") + headers


def leads_to_the_sign_in(answer: HttpResponseBase) -> bool:
    return answer.status_code == 302 and answer["Location"].startswith(("/accounts/login/", "/admin/login/"))


def ways_to_fill(route: Route, owned: Belongings, others: Belongings) -> Iterator[dict[str, Any]]:
    """The owner's things in place of all parameters that name things, and of each part of them, with the other user's own in the rest."""
    theirs, mine = things_of(owned), things_of(others)
    names = [name for name in dict.fromkeys(route.parameters) if name in theirs]
    for size in range(max(1, len(names)), 0, -1):
        for some in combinations(names, size) if names else [()]:
            yield {**SHARED, **mine, **{name: theirs[name] for name in some}}


def state_of_everything(owner: User) -> list[Any]:
    """What of the owner's others may not change."""
    servers = McpServer.objects.filter(owner=owner).values("pk", "name", "desired", "generation", "config", "overrides", "shares_tools")
    return [
        list(servers),
        *(list(model.objects.filter(owner=owner).values("pk", "name")) for model in (Toolbox, CatalogEntry)),
        list(Agent.objects.filter(owner=owner).values("pk", "name", "enabled")),
        list(Grant.objects.filter(agent__owner=owner).values("pk", "tools", "approval")),
        list(GrantedTool.objects.filter(grant__agent__owner=owner).values("pk", "digest", "refused_digest", "approval", "pinned")),
        list(Approval.objects.filter(owner=owner).values("pk", "status", "was_edited")),
        list(CallPolicy.objects.filter(user=owner).values()),
        list(CloudAccount.objects.filter(owner=owner).values("pk", "label")),
        list(ApiToken.objects.filter(user=owner).values("pk", "name")),
        list(User.objects.filter(pk=owner.pk).values("email", "password", "is_staff")),
        list(ModelProvider.objects.filter(owner=owner).values("pk", "name", "enabled", "default_model", "tested_at")),
        list(ModelChoice.objects.filter(agent__owner=owner).values("agent", "provider", "model")),
        list(ModelUsage.objects.filter(owner=owner).values()),
        list(Conversation.objects.filter(owner=owner).values("pk", "title", "agent", "pinned_at")),
        list(Run.objects.filter(conversation__owner=owner).values("pk", "text", "status", "is_superseded", "cancel_requested_at")),
        list(Question.objects.filter(step__run__conversation__owner=owner).values("pk", "status")),
        AuditEvent.objects.filter(owner_id=owner.pk).count(),
    ]


@pytest.mark.parametrize("route", [*ROUTES, *SOCKETS], ids=lambda route: route.declared)
def test_every_parameter_is_known(route: Route) -> None:
    missing = [name for name in route.parameters if name not in SHARED and name not in THINGS]
    assert missing == [], (
        f"The address “{route.declared}” has the parameter {missing}, which nothing stands for. Add it to tests/access/parameters.py: to "
        "THINGS (and what it names to belongings.py) where it names a thing of a user's, to SHARED where it does not."
    )


@stored
def test_nobody(owned: Belongings) -> None:
    values = {**SHARED, **things_of(owned)}
    problems = []
    before = state_of_everything(owned.user)
    client = Client(raise_request_exception=False)
    for route in ROUTES:
        for method in METHODS:
            answer = sent(client, method, route, route.filled(values))
            told = body_of(answer)
            if CANARY in told and route.declared not in PUBLIC:
                problems.append(f"{method} {route.declared} tells nobody in particular what is the owner's.")
            if route.declared in PUBLIC:
                continue
            if not (answer.status_code in REFUSED or leads_to_the_sign_in(answer)):
                problems.append(
                    f"{method} {route.declared} answers {answer.status_code}, who is not signed in: see PUBLIC in parameters.py."
                )
    assert problems == []
    assert state_of_everything(owned.user) == before


@stored
def test_another_user(owned: Belongings, others: Belongings) -> None:
    problems = []
    before = state_of_everything(owned.user)
    client = Client(raise_request_exception=False)  # one for all: to make one takes longer than to ask it
    for route in ROUTES:
        for values in ways_to_fill(route, owned, others):
            if "_auth_user_id" not in client.session:  # at first, and where it signed out
                client.force_login(others.user)
            problems += list(_tried_by_another(client, route, route.filled(values), values, owned))
            if state_of_everything(owned.user) != before:
                problems.append(f"{route.declared} changed what is the owner's.")
                before = state_of_everything(owned.user)
    assert problems == []


def _tried_by_another(client: Client, route: Route, path: str, values: dict[str, Any], owned: Belongings) -> Iterator[str]:
    theirs = things_of(owned)
    names_owners = any(values[name] == theirs.get(name) for name in route.parameters) and route.declared not in PUBLIC
    statuses = []
    for method in METHODS:
        answer = sent(client, method, route, path)
        statuses.append(answer.status_code)
        if CANARY in body_of(answer).replace(path, "") and route.declared not in PUBLIC:
            yield f"{method} {route.declared} shows another user what is the owner's."
        if answer.status_code >= 500:
            yield f"{method} {route.declared} answers {answer.status_code}."
        if names_owners and not (answer.status_code in (*REFUSED, NOT_TAKEN) or leads_to_the_sign_in(answer)):
            yield (
                f"{method} {route.declared} answers another user {answer.status_code}, and not 404. If it complains of the body before it "
                "looks for the thing, let it look first, or give it a body in BODIES of tests/access/parameters.py."
            )
    if set(statuses) == {NOT_TAKEN}:
        yield f"{route.declared} takes none of the methods that are tried."


@stored
def test_the_owner_sees_it_all(owned: Belongings) -> None:
    """Else the tests above would find nothing to refuse."""
    client = Client()
    client.force_login(owned.user)
    values = {**SHARED, **things_of(owned)}
    pages = (
        "",
        "servers/",
        "toolboxes/",
        "toolboxes/accounts/",
        "account/tokens/",
        "account/models/",
        "account/models/usage/",
        "api/v1/model-providers/",
        "api/v1/models/usage/",
        "audit/",
        "calls/",
        "calls/totals/",
        "calls/export/",
        "approvals/",
        "api/v1/servers/",
        "api/v1/toolboxes/",
        "api/v1/audit/",
        "api/v1/conversations/",
        "api/v1/questions/",
    )
    things = ("servers/<uuid:server_id>/", "toolboxes/<uuid:toolbox_id>/", "catalog/<uuid:entry_id>/", "api/v1/servers/<uuid:server_id>/")
    things += ("calls/<uuid:call_id>/", "calls/runs/<uuid:run>/", "approvals/<uuid:approval_id>/")
    conversation = "api/v1/conversations/<uuid:conversation_id>/"
    things += (conversation, f"{conversation}messages/", f"{conversation}export/")
    things += ("api/v1/runs/<uuid:run_id>/", "api/v1/runs/<uuid:run_id>/events/", "api/v1/attachments/<uuid:attachment_id>/")
    things += ("account/models/<uuid:provider_id>/", "agents/<uuid:agent_id>/model/", "api/v1/model-providers/<uuid:provider_id>/")
    declared = {route.declared: route for route in ROUTES}
    for address in (*pages, *things):
        answer = client.get(declared[address].filled(values))
        assert (address, answer.status_code, CANARY in body_of(answer)) == (address, 200, True)


async def heard(path: str, user: Any) -> tuple[str, int | None]:
    """What a WebSocket says until it is closed (the code), or has nothing more to say at first."""
    scope = {"type": "websocket", "path": path, "query_string": b"", "headers": [], "user": user}
    page = ApplicationCommunicator(URLRouter(websocket_urlpatterns), scope)
    await page.send_input({"type": "websocket.connect"})
    texts: list[str] = []
    code = None
    try:
        while True:
            message = await page.receive_output(timeout=5 if not texts else 0.2)
            if message["type"] == "websocket.close":
                code = message.get("code")
                break
            if message["type"] == "websocket.send":
                texts.append(str(message.get("text") or message.get("bytes")))
    except TimeoutError:
        pass
    else:
        await page.send_input({"type": "websocket.disconnect", "code": code})
        await page.wait(timeout=5)
    return "".join(texts), code


@stored
async def test_every_socket(user: User, stranger: User) -> None:
    owned = await database_sync_to_async(belongings_of)(user, CANARY)
    others = await database_sync_to_async(belongings_of)(stranger, OTHER)
    heard_of: dict[str, Any] = {}
    for route in SOCKETS:
        path = route.filled({**SHARED, **things_of(owned)})
        heard_of[f"{route.declared} as nobody"] = await heard(path, AnonymousUser()) == ("", SIGN_IN_AGAIN)
        for values in ways_to_fill(route, owned, others):
            told, code = await heard(route.filled(values), stranger)
            theirs = any(name in THINGS for name in route.parameters)
            heard_of[f"{route.declared} as another"] = (told, code) == ("", GONE) if theirs else CANARY not in told
    assert [name for name, right in heard_of.items() if not right] == []
