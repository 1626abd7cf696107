"""Reading what BuildKit says with ``--progress=plain``: how far it is, and why it failed."""

from __future__ import annotations

import re
from collections import defaultdict, deque

_VERTEX = re.compile(r"#(\d+) (.*)")
_STEP = re.compile(r"\[(?:(\S+) )?(\d+)/(\d+)\] ")
_OUTPUT = re.compile(r"\d+\.\d+ (.*)")
_NOISE = re.compile(r"^(npm (notice|warn)|sha256:|\[notice\]|A complete log of this run|npm error A complete log|$)", re.IGNORECASE)
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_CHATTER = re.compile(r"^(Using Python|Resolved|Prepared|Installed|Bytecode compiled|added \d+ package|\+ \S+==|npm error (404 )?$)")
_HINTS = (
    (re.compile(r"No matching version found|there is no version of"), "This version does not exist: choose one that does."),
    (re.compile(r"error code E404|not found in the package registry"), "There is no such package: check its name."),
    (
        re.compile(r"ENOTFOUND|EAI_AGAIN|ETIMEDOUT|ECONNREFUSED|dns error|Temporary failure resolving|Could not resolve", re.IGNORECASE),
        "This toolbox cannot reach the package registry: check its network and try again.",
    ),
    (re.compile(r"no space left on device|ENOSPC", re.IGNORECASE), "The disk of this toolbox is full: make room and try again."),
)
KEPT_LINES = 40
REASON_LINES = 4


class BuildOutput:
    """Feed it line by line."""

    def __init__(self) -> None:
        self.detail = ""
        self.fraction: float | None = None
        self._totals: dict[str, int] = {}
        self._steps: dict[str, tuple[str, int]] = {}
        self._finished: set[tuple[str, int]] = set()
        self._output: dict[str, deque[str]] = defaultdict(lambda: deque(maxlen=KEPT_LINES))
        self._failed: str | None = None
        self._last: deque[str] = deque(maxlen=KEPT_LINES)

    def feed(self, line: str) -> bool:
        """Take a line; True if ``detail`` or ``fraction`` changed."""
        line = _COLOUR.sub("", line).rstrip()
        found = _VERTEX.match(line)
        if found is None:
            if line:
                self._last.append(line)
            return False
        vertex, text = found.groups()
        step = _STEP.match(text)
        if step is not None:
            stage = step.group(1) or ""
            self._totals[stage] = int(step.group(3))
            self._steps[vertex] = (stage, int(step.group(2)))
            return self._show(vertex, "")
        if text.startswith(("DONE", "CACHED")):
            if vertex in self._steps:
                self._finished.add(self._steps[vertex])
            return self._show(vertex, "")
        if text.startswith("ERROR"):
            self._failed = vertex
            self._output[vertex].append(text)
            return False
        output = _OUTPUT.match(text)
        if output is None or _NOISE.match(output.group(1).strip()):
            return False
        said = output.group(1).split("\r")[-1].strip()
        self._output[vertex].append(said)
        return self._show(vertex, said)

    @property
    def reason(self) -> str:
        """What to do about it, where that is known, and the last lines that say why it failed."""
        said = [line for line in self._output.get(self._failed or "", ()) if not line.startswith("ERROR: executor failed")] or list(
            self._last
        )
        hint = next((sentence for pattern, sentence in _HINTS if any(pattern.search(line) for line in said)), None)
        last = [line for line in said if not _CHATTER.match(line)][-REASON_LINES:]
        return "\n".join(last if hint is None else [hint, *last])

    def _show(self, vertex: str, said: str) -> bool:
        if vertex not in self._steps:
            return False
        before = self.detail, self.fraction
        stage, number = self._steps[vertex]
        where = f"step {number} of {self._totals[stage]}"
        self.detail = f"{where}: {said[:160]}" if said else where
        self.fraction = max(self.fraction or 0.0, round(len(self._finished) / sum(self._totals.values()), 2))
        return (self.detail, self.fraction) != before
