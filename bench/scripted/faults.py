"""What can go wrong on demand: ``name[:times][@step]``, separated by commas.

``times`` (1 unless told, ``*`` for always) is how often it occurs: a fault of the transport per turn of the model in a conversation, one
of the model per conversation. ``@step`` limits it to one turn (0 is the first). $SCRIPTED_FAULTS holds the default, the header
``X-Scripted-Faults`` takes its place for one request.

  of the transport                    of the model
  http_429  Retry-After: 0.2          malformed_args  JSON that is cut off
  http_500, http_503, http_400        empty_args      arguments ""
  timeout   no reply for 30 s         wrong_type      one argument of the wrong type
  disconnect  cut off mid-stream      missing_arg     a required argument is left out
  garbage_sse  a line that is no JSON unknown_tool    a tool that was not offered
  no_done   no [DONE]                 dup_ids, no_id  calls that share an id, or have none
  keepalive comment lines             finish_stop     finish_reason "stop" with tool calls
  no_usage  no usage chunk            one_by_one      never calls side by side
  slow      50 ms a chunk             text_only       text first, and no call
                                      repeat_call     the first call twice
                                      empty_reply     an empty message
"""

from __future__ import annotations

import re
from collections import Counter

TRANSPORT = frozenset(
    "http_429 http_500 http_503 http_400 timeout disconnect garbage_sse no_done keepalive no_usage slow".split()  # noqa: SIM905
)
MODEL = frozenset(
    "malformed_args empty_args wrong_type missing_arg unknown_tool dup_ids no_id finish_stop "  # noqa: SIM905
    "one_by_one text_only repeat_call empty_reply".split()
)
FAULTS = TRANSPORT | MODEL


class Counters:
    """How often each fault has occurred so far."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, int | None, str]] = Counter()

    def firing(self, spec: str, key: str, step: int) -> set[str]:
        """The faults that occur in this turn of the conversation `key`. Raises ValueError for a fault that there is not."""
        out = set()
        for item in filter(None, (part.strip() for part in spec.split(","))):
            name, times, only = parsed(item)
            if only is not None and only != step:
                continue
            place = (key, step if name in TRANSPORT else None, name)
            if times is None or self._counts[place] < times:
                self._counts[place] += 1
                out.add(name)
        return out


def parsed(item: str) -> tuple[str, int | None, int | None]:
    """The name, how often (None is always), and the one step (None is any). Raises ValueError."""
    match = re.fullmatch(r"(\w+)(?::(\d+|\*))?(?:@(\d+))?", item)
    if not match or match[1] not in FAULTS:
        raise ValueError(f"unknown fault {item!r}")
    times = None if match[2] == "*" else int(match[2] or 1)
    return match[1], times, int(match[3]) if match[3] else None
