"""The quiet lines of a run: what happened in it besides words and calls, in a sentence each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Line:
    """``tone`` is "", info, warning or error; ``icon`` is one of ``templates/icons``."""

    key: str
    icon: str
    text: str
    tone: str = ""
    kind: str = "line"


def line_of(seq: int, kind: str, data: dict[str, Any]) -> Line | None:
    """The line that an event is worth; None for most."""
    make = _LINES.get(kind)
    return make(f"line-{seq}", data) if make else None


def _started(key: str, data: dict[str, Any]) -> Line | None:
    again = _int(data.get("attempt")) > 1
    return Line(key, "refresh-cw", "The work on it was interrupted, and begun again.", "info") if again else None


def _resumed(key: str, data: dict[str, Any]) -> Line:
    return Line(key, "refresh-cw", "It goes on from the last step that was finished.")


def _retry(key: str, data: dict[str, Any]) -> Line:
    reason = _text(data.get("reason")) or "The model gave no answer."
    seconds = data.get("seconds")
    when = f" Asked again after {seconds:g} s." if isinstance(seconds, int | float) and seconds else " Asked again."
    return Line(key, "refresh-cw", f"{reason}{when}", "warning")


def _fallback(key: str, data: dict[str, Any]) -> Line:
    return Line(
        key, "shuffle", f"{_text(data.get('to')) or 'Another model'} goes on in place of {_text(data.get('from')) or 'it'}.", "warning"
    )


def _notice(key: str, data: dict[str, Any]) -> Line | None:
    text = _text(data.get("text"))
    return Line(key, "info", text) if text else None


def _text(value: Any) -> str:
    return " ".join(value.split())[:500] if isinstance(value, str) else ""


def _int(value: Any) -> int:
    return value if isinstance(value, int) else 0


_LINES = {
    "run.started": _started,
    "run.resumed": _resumed,
    "model.retry": _retry,
    "model.fallback": _fallback,
    "notice": _notice,
}
