"""Whose task is whose (MCP 2025-11-25, tasks): to a server that clients share they are all one client's."""

from __future__ import annotations

from typing import Any

from dtma.mcp.connection import Client
from mcp_protocol.messages import Message

MAX_TASKS = 10_000
STATUS = "notifications/tasks/status"
_ABOUT_ONE = frozenset({"tasks/get", "tasks/result", "tasks/cancel"})


class TaskOwners:
    """A task belongs to the client whose request began it. Nobody else sees it."""

    def __init__(self) -> None:
        self._owners: dict[str, Client] = {}

    def is_anothers(self, method: str, params: Message, client: Client | None) -> bool:
        """Whether a request is about a task that is not this client's."""
        return method in _ABOUT_ONE and (client is None or self._owners.get(str(params.get("taskId"))) is not client)

    def learn(self, method: str, result: Message, client: Client | None) -> None:
        """A result came: it may begin a task, or list all of them."""
        if client is None:
            return
        begun = result.get("task")
        if isinstance(begun, dict) and isinstance(begun.get("taskId"), str):
            self._owners[begun["taskId"]] = client
            if len(self._owners) > MAX_TASKS:
                del self._owners[next(iter(self._owners))]
        if method == "tasks/list" and isinstance(listed := result.get("tasks"), list):
            result["tasks"] = [task for task in listed if isinstance(task, dict) and self._owners.get(str(task.get("taskId"))) is client]

    def owner(self, task: Any) -> Client | None:
        """Who hears of a task."""
        return self._owners.get(str(task))

    def leave(self, client: Client) -> None:
        """A client ended, and with it whoever could ask for its tasks."""
        self._owners = {task: owner for task, owner in self._owners.items() if owner is not client}
