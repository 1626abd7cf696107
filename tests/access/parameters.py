"""What `test_access` puts in place of the parameters of addresses, and which addresses are for everybody.

A new kind of parameter gets a line in `THINGS` (it names something of somebody's) or in `SHARED` (it does not). An address that everybody
may open gets a line with its reason in `PUBLIC`. One whose POST is refused for its body before it looks for the thing gets a body in
`BODIES`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.access.belongings import Belongings

CANARY = "canary4711"
"""A word in everything that the owner has."""

SHARED: dict[str, Any] = {
    "key": "own_server",  # of a provider
    "name": "echo",  # of a tool, on a server that another parameter names
    "tool": "echo",
    "action": "restart",
    "decision": "approve",
    "app_label": "accounts",
    "content_type_id": "1",
    "url": "nothing/",
    "generation": 1,  # of a server that another parameter names
    "number": 1,
    "preset": "openai",  # what a new provider of models is made from
}

PUBLIC = {
    "accounts/login/": "the sign-in itself",
    "accounts/logout/": "who is not signed in is signed out already",
    "admin/login/": "leads to the sign-in",
    "install/<str:token>": "who has the one-time token in the address is who may install",
    "healthz": "load balancers ask it; it says only whether the parts answer",
    "api/schema/": "the description of the API holds nobody's data",
}
"""Addresses that nobody has to sign in for, with the reason. None of them may say anything of anybody's things either."""

BODIES: dict[str, dict[str, Any]] = {
    "api/v1/servers/<uuid:server_id>/rollback/": {"generation": 1},
}
"""By an address: what is sent with POST, PUT and PATCH."""


THINGS: dict[str, Callable[[Belongings], Any]] = {
    "server_id": lambda own: own.server.pk,
    "toolbox_id": lambda own: own.toolbox.pk,
    "entry_id": lambda own: own.entry.pk,
    "agent_id": lambda own: own.agent.pk,
    "grant_id": lambda own: own.grant.pk,
    "call_id": lambda own: own.approval.call_id,
    "run": lambda own: own.approval.call.run,
    "approval_id": lambda own: own.approval.pk,
    "account_id": lambda own: own.account.pk,
    "conversation_id": lambda own: own.said.conversation.pk,
    "run_id": lambda own: own.said.run.pk,
    "step_id": lambda own: own.said.step.pk,
    "question_id": lambda own: own.said.question.pk,
    "attachment_id": lambda own: own.said.attachment.pk,
    "token_id": lambda own: own.token.pk,
    "id": lambda own: own.user.pk,  # of a user, in the admin
    "object_id": lambda own: own.server.pk,  # of the admin
    "token": lambda own: own.install_token,
    "provider_id": lambda own: own.provider.pk,
}
"""What of a user's things stands for a parameter."""


def things_of(own: Belongings) -> dict[str, Any]:
    """The same, of this user's."""
    return {name: chosen(own) for name, chosen in THINGS.items()}
