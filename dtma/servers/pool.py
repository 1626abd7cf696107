"""A container for each client's MCP session: so many at most, and one more kept ready where there is room for it."""

from __future__ import annotations

from dtma.errors import Failure
from dtma.mcp.connection import Busy, Gone
from dtma.servers.replica import Kind, Replica
from dtma.servers.tracked import Tracked

FOR_SESSION = "for a client session"


class Pool:
    """A container never gets a second session, and a session never a second container: what the first one kept is lost with it."""

    def __init__(self, kind: Kind, most: int) -> None:
        self._kind = kind
        self._most = most
        self._given: dict[str, Replica] = {}
        self._spare: Replica | None = None
        self._closed = False

    def refill(self) -> None:
        """Keep a spare one, so that the next session need not wait for a start."""
        if not self._closed and self._spare is None and self._in_use < self._most:
            self._spare = Replica(self._kind, "", self._on_over)

    async def own(self, session: str) -> Tracked:
        """The connection to that session's container. Raises ``Busy``, or ``Gone`` once the container ended."""
        replica = self._given.get(session) or self._give(session)
        try:
            return await replica.connection()
        except Failure as failure:
            if replica.was_ready:
                raise Gone(f"The container of this MCP session has ended: {failure.reason}") from failure
            self._given.pop(session, None)
            raise Busy(f"No container could be started for this MCP session: {failure.reason} Try again later.") from failure

    def release(self, session: str) -> None:
        """Its place is free from now on; the container is removed soon."""
        replica = self._given.pop(session, None)
        if replica is not None:
            replica.leave("The client session ended.")
        self.refill()

    def close(self) -> None:
        """Give no more."""
        self._closed = True

    @property
    def _in_use(self) -> int:
        return sum(not replica.over for replica in self._given.values())

    def _give(self, session: str) -> Replica:
        if self._closed:
            raise Busy("The server is being stopped. Try again when it runs.")
        if self._spare is None and self._in_use >= self._most:
            raise Busy(
                f"All {self._most} containers that this server may have for client sessions are in use. "
                "Try again when a session has ended, or allow the server more."
            )
        self._kind.pause.check()
        replica, self._spare = self._spare, None
        if replica is None:
            replica = Replica(self._kind, FOR_SESSION, self._on_over)
        else:
            replica.give(FOR_SESSION)
        self._given[session] = replica
        self.refill()
        return replica

    def _on_over(self, replica: Replica) -> None:
        if replica is self._spare:
            self._spare = None
        self.refill()
