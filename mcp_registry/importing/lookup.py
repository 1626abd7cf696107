"""What the package registries say of packages. The toolbox is asked, since it is what installs from them, mirrors included."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal, cast

from accounts.models import User
from agentopia.lib.errors import AgentopiaError, NotFound, Unavailable
from dtma_client import DtmaClient, DtmaError, PackageNotFound
from dtma_wire import PackageInfo
from mcp_registry.neighbours import wire_version_of
from toolboxes.dtma import as_agentopia_error, dtma_of, wait_for
from toolboxes.models import Toolbox
from toolboxes.selectors import described_for
from toolboxes.status import State

KNOWS_PACKAGES = 4
"""The first version of the protocol with which packages can be looked up."""
LOOKED_UP = ("npm", "pypi")
BY_HAND = "Enter the version by hand, as in 1.2.3."
AT_ONCE = 12


def look_up(user: User, kind: str, name: str) -> PackageInfo:
    """Of one package of npm or PyPI. Raises `NotFound` for an unknown one, and `Unavailable` where nobody can be asked."""
    told = look_up_all(user, [(kind, name)])[kind, name]
    if isinstance(told, AgentopiaError):
        raise told
    return told


def look_up_all(user: User, wanted: Sequence[tuple[str, str]]) -> dict[tuple[str, str], PackageInfo | AgentopiaError]:
    """Of several at once, by kind and name: what is said of each, or why nothing is."""
    told: dict[tuple[str, str], PackageInfo | AgentopiaError] = {}
    asked: list[tuple[str, str]] = []
    for kind, name in dict.fromkeys(wanted):
        if kind not in LOOKED_UP:
            told[kind, name] = Unavailable(f"Packages of this kind cannot be looked up. {BY_HAND}", code="no_lookup")
        elif len(asked) >= AT_ONCE:
            told[kind, name] = Unavailable(
                f"{AT_ONCE} packages are looked up at once: name its version, as in {name}@1.2.3.", code="too_many"
            )
        else:
            asked.append((kind, name))
    if not asked:
        return told
    toolbox = _toolbox_of(user)
    if toolbox is None:
        sentence = f"No toolbox of yours is online that could look up which versions there are. {BY_HAND}"
        return told | {key: Unavailable(sentence, code="no_toolbox_online") for key in asked}
    return told | dict(zip(asked, wait_for(_ask, toolbox, asked), strict=True))


def _toolbox_of(user: User) -> Toolbox | None:
    """The one that was heard last."""
    online: list[Toolbox] = list(described_for(user).filter(state=State.ONLINE).order_by("-last_seen_at"))
    return next((toolbox for toolbox in online if wire_version_of(toolbox) >= KNOWS_PACKAGES), None)


async def _ask(toolbox: Toolbox, wanted: list[tuple[str, str]]) -> list[PackageInfo | AgentopiaError]:
    try:
        async with dtma_of(toolbox) as client:
            return list(await asyncio.gather(*(_one(client, toolbox, kind, name) for kind, name in wanted)))
    except AgentopiaError as error:
        return [error] * len(wanted)


async def _one(client: DtmaClient, toolbox: Toolbox, kind: str, name: str) -> PackageInfo | AgentopiaError:
    try:
        return await client.package(cast(Literal["npm", "pypi"], kind), name)
    except PackageNotFound as error:
        return NotFound(error.message, code=error.code, fields={"name": error.message})
    except DtmaError as error:
        return as_agentopia_error(error, toolbox)
