"""The test of a token: whose it is, and whether it can do all that making and removing a toolbox takes."""

from __future__ import annotations

from collections.abc import Callable

from agentopia.lib.errors import AgentopiaError, InvalidInput
from toolboxes.providers.base import AccountFacts, Accounts
from toolboxes.providers.digital_ocean.client import DigitalOcean
from toolboxes.providers.digital_ocean.errors import Refused, ScopeMissing, TokenRefused

NOTHING = "agentopia-scope-test"  # a name that nothing has
NO_FIREWALL = "00000000-0000-0000-0000-000000000000"
SCOPES = (
    "account:read", "actions:read", "droplet:create", "droplet:delete", "droplet:read", "firewall:create", "firewall:delete",
    "firewall:read", "image:read", "regions:read", "sizes:read", "tag:create", "tag:delete", "tag:read",
)  # fmt: skip


def examine(token: str) -> AccountFacts:
    """Whose token it is. Raises `InvalidInput`, which says what it lacks, and `Unavailable` where DigitalOcean does not answer."""
    with DigitalOcean(token) as cloud:
        try:
            account = cloud.account()
        except TokenRefused:
            raise _invalid("DigitalOcean does not accept this token. Copy it again, or make a new one.") from None
        except ScopeMissing:
            raise _invalid(f"The token lacks the scope account:read. It needs these: {', '.join(SCOPES)}.") from None
        if lacking := [scope for scope, trial in _trials(cloud).items() if not _may(trial)]:
            raise _invalid(f"The token lacks {_scopes(lacking)}. Make one that has all of: {', '.join(SCOPES)}.")
    if account.get("status") == "locked":
        raise _invalid("DigitalOcean has locked this account. Its control panel says why.")
    team = account.get("team") or {}
    return AccountFacts(identity=str(team.get("uuid") or account["uuid"]), email=str(account["email"]), team=str(team.get("name", "")))


def _trials(cloud: DigitalOcean) -> dict[str, Callable[[], object]]:
    """Requests that show whether a scope is there and change nothing: orders that lack what they must have, ends of what there is not."""
    return {
        "regions:read": cloud.regions,
        "sizes:read": cloud.sizes,
        "image:read": cloud.distributions,
        "droplet:read": lambda: cloud.droplets(NOTHING),
        "tag:read": lambda: cloud.has_tag(NOTHING),
        "firewall:read": lambda: cloud.firewall_named(NOTHING),
        "droplet:create": lambda: cloud.create_droplet({}),
        "tag:create": lambda: cloud.create_tag(""),
        "firewall:create": lambda: cloud.create_firewall({}),
        "droplet:delete": lambda: cloud.destroy_droplet("1"),
        "tag:delete": lambda: cloud.delete_tag(NOTHING),
        "firewall:delete": lambda: cloud.delete_firewall(NO_FIREWALL),
    }


def _may(trial: Callable[[], object]) -> bool:
    try:
        trial()
    except ScopeMissing:
        return False
    except Refused:
        return True  # the request was wrong, as it should be, and not the token
    return True


def _scopes(names: list[str]) -> str:
    return f"the scope {names[0]}" if len(names) == 1 else f"the scopes {', '.join(names)}"


def _invalid(problem: str) -> AgentopiaError:
    return InvalidInput(problem, fields={"token": problem})


ACCOUNTS = Accounts(
    title="DigitalOcean",
    token_help=f"A personal access token with these custom scopes: {', '.join(SCOPES)}.",
    token_url="https://cloud.digitalocean.com/account/api/tokens/new",
    test=examine,
)
