"""A process that makes calls until it is killed: ``killed AGENT``. A call's id is printed once its answer is out; those with an odd number
never come back from the toolbox.
"""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import UUID

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "agentopia.settings")
django.setup(set_prefix=False)

from agents.calling.carry import carry  # noqa: E402
from agents.calling.ledger import keeping_receipts  # noqa: E402
from agents.calling.types import Call, Caller, Forwarded  # noqa: E402
from agents.models import ToolCall  # noqa: E402
from agents.toolsets.cache import toolset_of  # noqa: E402


async def answer(call: Call) -> Forwarded:
    if call.arguments["message"] == "never":
        print("open", call.id, flush=True)
        await asyncio.Event().wait()
    return Forwarded(b'{"content":[]}')


async def call(agent_id: UUID, message: str) -> None:
    toolset = await toolset_of(agent_id)
    caller = Caller(toolset.owner_id, ToolCall.Via.GATEWAY)
    made = Call(caller, toolset, toolset.tools["notes__echo"], "notes__echo", {"message": message})
    await carry(made, answer)
    print("answered", made.id, flush=True)


async def calls(agent_id: UUID) -> None:
    async with keeping_receipts():
        open_ = [asyncio.create_task(call(agent_id, "never")) for _ in range(3)]
        while open_:
            await asyncio.gather(*(call(agent_id, "hi") for _ in range(4)))


if __name__ == "__main__":
    asyncio.run(calls(UUID(sys.argv[1])))
