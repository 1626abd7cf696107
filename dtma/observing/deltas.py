"""What a heartbeat must say: whatever the control plane has not acknowledged yet."""

from __future__ import annotations

from dataclasses import dataclass

from dtma_wire import Orphan, ServerState

MAX_BYTES = 1024 * 1024
"""Of states in one heartbeat; a hundred servers with all their tools are told in several."""


@dataclass(frozen=True)
class Delta:
    """The states that one heartbeat carries. ``more`` says that it had no room for all."""

    since: int
    servers: tuple[ServerState, ...]
    unchanged: tuple[str, ...]
    orphans: tuple[Orphan, ...] | None
    more: bool


class Deltas:
    """Remembers per server what was acknowledged in this epoch: nothing at first."""

    def __init__(self) -> None:
        self._since = 0
        self._revisions: dict[str, int] = {}
        self._tools: dict[str, str] = {}
        self._orphans: tuple[Orphan, ...] | None = None

    def compose(self, states: list[ServerState], orphans: tuple[Orphan, ...] | None = None) -> Delta:
        """What to tell of all present states and orphans (None: not known). Until it is acknowledged, the next one says it again."""
        told: list[ServerState] = []
        others: list[str] = []
        more = False
        size = 0
        for state in states:
            if self._revisions.get(state.id) != state.revision:
                shown = self._without_known_tools(state)
                size += len(shown.model_dump_json())
                if size <= MAX_BYTES or not told:
                    told.append(shown)
                    continue
                more = True
            others.append(state.id)
        return Delta(self._since, tuple(told), tuple(others), None if orphans == self._orphans else orphans, more)

    def acknowledge(self, delta: Delta, sequence: int) -> None:
        """The control plane took it, as the heartbeat of this number."""
        present = {state.id for state in delta.servers}.union(delta.unchanged)
        self._since = sequence
        self._revisions = {server_id: revision for server_id, revision in self._revisions.items() if server_id in present}
        self._tools = {server_id: tools for server_id, tools in self._tools.items() if server_id in present}
        if delta.orphans is not None:
            self._orphans = delta.orphans
        for state in delta.servers:
            self._revisions[state.id] = state.revision
            self._tools[state.id] = state.tools_hash

    def forget(self) -> None:
        """The control plane knows nothing any more: the next one says everything."""
        self._since = 0
        self._revisions.clear()
        self._tools.clear()
        self._orphans = None

    def _without_known_tools(self, state: ServerState) -> ServerState:
        if state.tools is None or self._tools.get(state.id) != state.tools_hash:
            return state
        return state.model_copy(update={"tools": None})
