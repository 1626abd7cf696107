"""Faults of the model: the first call of a turn is spoilt; it is made again, properly, in the next one."""

from __future__ import annotations

import json

from bench.scripted.turns import Call

SPOILING = ("malformed_args", "empty_args", "wrong_type", "missing_arg", "unknown_tool")


def spoil(calls: list[Call], faults: set[str]) -> None:
    """Change the calls in place."""
    first = calls[0]
    if bad := next((fault for fault in SPOILING if fault in faults), None):
        first.id = first.id.replace("__ok_", "__bad_")
        _break(first, bad)
    if "repeat_call" in faults:
        calls.append(Call(first.name, first.args, first.id + "r", first.raw))
    if "dup_ids" in faults:
        for call in calls:
            call.id = first.id
    if "no_id" in faults:
        for call in calls:
            call.id = ""


def _break(call: Call, fault: str) -> None:
    if fault == "malformed_args":
        call.raw = json.dumps(call.args)[:-1] + ', "x": '
    elif fault == "empty_args":
        call.raw = ""
        if not call.args:
            call.id = call.id.replace("__bad_", "__ok_")  # "" is a fair way to say {}
    elif fault == "wrong_type" and call.args:
        key = next(iter(call.args))
        call.args = {**call.args, key: "oops" if isinstance(call.args[key], dict) else {"oops": call.args[key]}}
    elif fault == "missing_arg" and call.args:
        call.args = dict(list(call.args.items())[1:])
    elif fault == "unknown_tool":
        call.name = "no_such_tool_" + call.name[:20]
