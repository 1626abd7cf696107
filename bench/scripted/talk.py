"""What the model says where no task fits.

``call NAME {json}`` calls a tool once, and the answer tells what it said. ``beat N every S`` is answered with N pieces, S seconds apart:
each is the moment at which it was sent (seconds of the machine's monotonic clock, which all its processes share); ``call … then beat …``
is both, one after the other. Anything else is echoed.
"""

from __future__ import annotations

import json
import re
from typing import Any

from bench.scripted.offered import Offered, text_of
from bench.scripted.turns import Call, Turn, call_id

CALL = re.compile(r"call\s+(\S+)\s*(\{.*\})?\s*(?:then beat .*)?$", re.DOTALL)
BEAT = re.compile(r"\bbeat (\d+) every ([\d.]+)")


def small_talk(messages: list[dict[str, Any]], offered: Offered) -> Turn:
    """The answer."""
    last = messages[-1] if messages else {}
    said = next((text_of(message.get("content")) for message in reversed(messages) if message.get("role") == "user"), "")
    beat = BEAT.search(said)
    if last.get("role") == "tool" and not beat:
        return Turn(text=f"The tool said: {text_of(last.get('content'))}")
    call = CALL.match(said)
    if last.get("role") != "tool" and call and call[1] in offered.tools:
        return Turn(calls=[Call(call[1], json.loads(call[2] or "{}"), call_id("chat", "ok"))])
    if beat:
        return Turn(beats=(int(beat[1]), float(beat[2])))
    return Turn(text=f"You said: {said}")
