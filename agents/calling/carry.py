"""Carrying a tool call: by this one way go those of the gateway, the REST API, the chat and the try-it form.

Checked before, in this order: is the tool offered, does its server run, do the arguments fit its schema and the owner's rules, is a limit
reached, does a person have to be asked. Then the receipt says that the call begins, the toolbox is asked, and the receipt says how it ended
before anybody is told. A call that is not made has a receipt all the same (docs/17-calls.md).
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from agentopia.lib.errors import AgentopiaError
from agents.approvals.asking import Asking
from agents.calling.admission import check, wants_person
from agents.calling.errors import ApprovalPending, CallFailed, LimitReached, Refused, TooMany
from agents.calling.ledger import Ledger, newest_version
from agents.calling.outcome import told
from agents.calling.receipt import Receipt
from agents.calling.rows import RECEIPTS_UNAVAILABLE
from agents.calling.types import Call, Forward, Forwarded, OnWaiting, Waits
from agents.limiting import count_call, count_cpu
from agents.models import ToolCall
from agents.toolsets.cache import reloaded
from dtma_client import DtmaError

Status = ToolCall.Status

_endings: set[asyncio.Task[None]] = set()
"""Of calls that were cancelled, until their receipts are written: nobody else may hold them."""


async def carry(
    call: Call, forward: Forward, *, waits: Waits = Waits.HERE, on_waiting: OnWaiting | None = None, patience: float | None = None
) -> Forwarded:
    """Make a call, if it may be made. ``call.id`` names its receipt then, and ``call`` holds the tool and the arguments that counted.

    Who waits `HERE` for a person does so until there is a decision or none in time, or for ``patience`` seconds if that is less. Then, and
    `ELSEWHERE` at once, `ApprovalPending` is raised: the same call made again, with ``call.approval`` or without, goes on with it.

    Raises `CallFailed` in its kinds. Where ``forward`` is cancelled, or its waiting is, the receipt says so.
    """
    attempt = _Attempt(call, Receipt(call), Ledger(call.caller.via), Asking(waits, on_waiting, patience))
    try:
        await _admit(attempt)
        return await _make(attempt, forward)
    except asyncio.CancelledError:
        ending = asyncio.create_task(_settle(attempt, Status.CANCELLED, "cancelled", "Who asked left before it was done."))
        _endings.add(ending)
        ending.add_done_callback(_endings.discard)
        await asyncio.shield(ending)
        raise
    finally:
        if not attempt.is_settled:  # something that nobody thought of: it is raised, and the receipt tells of it
            await _settle(attempt, Status.FAILED, "internal_error", "Agentopia itself failed in making the call.")


@dataclass(slots=True)
class _Attempt:
    call: Call
    receipt: Receipt
    ledger: Ledger
    asking: Asking
    is_settled: bool = False
    """Whether its receipt says how it ended, or that it waits."""


async def _admit(attempt: _Attempt) -> None:
    """Return once the receipt says that the call begins; raises `CallFailed`."""
    try:
        await _pass(attempt)
    except ApprovalPending:
        attempt.is_settled = True
        raise
    except AgentopiaError as error:
        if error.code == RECEIPTS_UNAVAILABLE and not attempt.ledger.has_stream:
            attempt.is_settled = True  # as well as can be: neither of the two took it
        else:
            await _settle(attempt, Status.REFUSED, error.code, error.message)
        refused = LimitReached(error, attempt.call.id) if isinstance(error, TooMany) else Refused(error, attempt.call.id)
        raise refused from None


async def _pass(attempt: _Attempt) -> None:
    call, receipt, ledger, asking = attempt.call, attempt.receipt, attempt.ledger, attempt.asking
    is_counted = False
    while True:
        tool = check(call)
        reason = wants_person(tool)
        if not is_counted and not (reason and call.approval is not None):  # one that comes again was counted when it came first
            await count_call(call)
        is_counted = True
        if reason and not await asking.has_leave(receipt, tool, reason):
            ledger.goes_to_row()
            # That took its time: what the agent may do, and the arguments, may be others by now.
            await _look_again(attempt, await newest_version(call.toolset) if call.toolset else None)
            continue
        receipt.leaves()
        newest = await ledger.begin(receipt)
        if call.toolset is None or (newest is not None and newest <= call.toolset.version):
            return
        await _look_again(attempt, newest)


async def _look_again(attempt: _Attempt, newest: int | None) -> None:
    """Take what the agent may do by now, where that is of another version. Raises `NotFound` where there is no agent any more."""
    call = attempt.call
    if call.toolset is not None and (newest is None or newest > call.toolset.version):
        wanted = call.tool
        call.toolset = await reloaded(call.toolset.agent_id, newest)
        tools = call.toolset.by_server.get(wanted.server.name, {}) if wanted is not None else {}
        call.tool = tools.get(wanted.tool_name) if wanted is not None else None
    attempt.receipt.renew()


async def _make(attempt: _Attempt, forward: Forward) -> Forwarded:
    call, receipt = attempt.call, attempt.receipt
    began = time.perf_counter()
    try:
        forwarded = await forward(call)
    except (DtmaError, AgentopiaError) as error:
        receipt.took(time.perf_counter() - began)
        failure = told(error, call) if isinstance(error, DtmaError) else error
        await _settle(attempt, Status.FAILED, failure.code, failure.message)
        raise CallFailed(failure, call.id) from error
    receipt.took(time.perf_counter() - began)
    cost = receipt.answered(forwarded)
    await _write(attempt)
    if seconds := cost.get("cpu_seconds"):
        await count_cpu(call, seconds)
    return forwarded


async def _settle(attempt: _Attempt, status: ToolCall.Status, code: str, message: str) -> None:
    attempt.receipt.end(status, code, message)
    attempt.is_settled = True
    await attempt.asking.leave_off(attempt.call)
    await _write(attempt)


async def _write(attempt: _Attempt) -> None:
    """Keep how it ended; raises `CallFailed` where it cannot be kept."""
    attempt.is_settled = True
    try:
        await attempt.ledger.finish(attempt.receipt)
    except AgentopiaError as error:
        raise CallFailed(error, attempt.call.id) from error
