"""The model: what it says and calls next, worked out from the messages of a request."""

from __future__ import annotations

import re
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from bench.scripted.discovery import MAX_SEARCHES, by_name, search
from bench.scripted.faults import Counters
from bench.scripted.language import WRONG, Task, compute
from bench.scripted.offered import PROXY, SEARCH, Offered, is_called, text_of, unwrap
from bench.scripted.spoiling import spoil
from bench.scripted.talk import small_talk
from bench.scripted.turns import Call, Turn, call_id

ERROR = re.compile(
    r"\s*(\[?error\b|mcp error|unknown tool|tool .{0,80}not found|traceback|invalid (tool )?arg|.{0,60}validation error)", re.IGNORECASE
)
MAX_ATTEMPTS = 3
"""Calls of one gold call, failed ones included."""


@dataclass
class Made:
    """The calls that the messages show (gold id, "ok" | "bad" | "find", call id), in their order, and the results by call id."""

    calls: list[tuple[str, str, str | None]] = field(default_factory=list)
    results: dict[str | None, str] = field(default_factory=dict)

    @classmethod
    def of(cls, task: Task, history: list[dict[str, Any]]) -> Made:
        made = cls()
        for message in history:
            if message.get("role") == "tool":
                made.results[message.get("tool_call_id")] = unwrap(text_of(message.get("content")))
            elif message.get("role") == "assistant":
                for call in message.get("tool_calls") or []:
                    made.note(task, call)
        return made

    def note(self, task: Task, call: dict[str, Any]) -> None:
        if match := re.fullmatch(r"c_(\w+?)__(ok|bad|find)_\w+", call.get("id") or ""):
            self.calls.append((match[1], match[2], call["id"]))
        elif gold := self.adopted(task, call):  # the runtime gave the call an id of its own
            self.calls.append((gold, "ok", call.get("id")))

    def adopted(self, task: Task, call: dict[str, Any]) -> str | None:
        done = {gold for gold, kind, _ in self.calls if kind == "ok"}
        name = call.get("function", {}).get("name", "")
        return next((gold["id"] for gold in task.gold_calls if gold["id"] not in done and is_called(name, gold["tool"])), None)

    def answers(self, task: Task) -> dict[str, str]:
        """The results that count, by gold id: those that are no errors, or the last that is taken as it is."""
        found: dict[str, str] = {}
        tries: Counter[str] = Counter()
        for gold_id, kind, call in self.calls:
            if kind == "ok" and call in self.results:
                tries[gold_id] += 1
                gold = next(each for each in task.gold_calls if each["id"] == gold_id)
                if not ERROR.match(self.results[call]) or gold.get("may_fail") or tries[gold_id] >= MAX_ATTEMPTS:
                    found[gold_id] = self.results[call]
        return found

    def searches(self, gold_id: str) -> int:
        """How often this was searched for."""
        return sum(1 for gold, kind, _ in self.calls if gold == gold_id and kind == "find")

    def found(self) -> str:
        """All that searches have told so far."""
        return "\n".join(self.results.get(call, "") for _, kind, call in self.calls if kind == "find")


class Scripted:
    """The model with its tasks."""

    def __init__(self, tasks: list[dict[str, Any]]) -> None:
        self.load(tasks)
        self.reset()

    def load(self, tasks: list[dict[str, Any]]) -> None:
        """Replace the tasks."""
        loaded = [Task(task["id"], task["prompt"], task["gold_calls"], task.get("answer", "Done.")) for task in tasks]
        self.tasks = sorted(loaded, key=lambda task: -len(task.prompt))

    def reset(self) -> None:
        """Forget what was counted and noted."""
        self.counters = Counters()
        self.log: list[dict[str, Any]] = []
        self.searches: Counter[int] = Counter()  # how many needs took 1, 2, 3 searches, or failed (0)

    def match(self, messages: list[dict[str, Any]]) -> tuple[Task, str, int] | None:
        """The newest message of the user that holds a task's prompt: (task, root, place of the message)."""
        for place in range(len(messages) - 1, -1, -1):
            if messages[place].get("role") == "user":
                text = " ".join(text_of(messages[place].get("content")).split())
                for task in self.tasks:
                    if match := task.pattern.search(text):
                        return task, (match.groupdict().get("root") or ""), place
        return None

    def turn(self, body: dict[str, Any], faults: str, run: str) -> Turn:
        """What the model does next. Raises ValueError for a fault that there is not."""
        messages, offered = body.get("messages", []), Offered.of(body)
        hit = self.match(messages)
        entry: dict[str, Any] = {
            "t": time.time(), "task": hit and hit[0].id, "offered": sorted(offered.tools), "stream": bool(body.get("stream")),
        }  # fmt: skip
        self.log.append(entry)
        if not hit:
            turn = small_talk(messages, offered)
            turn.faults = self.counters.firing(faults, run or "chat", 0)
            return turn
        task, root, start = hit
        history = messages[start + 1 :]
        step = sum(1 for message in history if message.get("role") == "assistant")
        occurring = self.counters.firing(faults, f"{run}|{task.id}|{root}", step)
        turn = self.next(task, root, offered, body, Made.of(task, history), occurring)
        turn.faults = occurring
        text = turn.text if turn.text.startswith("CANNOT") else None
        entry.update(step=step, faults=sorted(occurring), calls=[call.name for call in turn.calls], text=text)
        return turn

    def next(self, task: Task, root: str, offered: Offered, body: dict[str, Any], made: Made, faults: set[str]) -> Turn:
        names = {"r": made.answers(task), "root": root}
        left = ([gold for gold in group if gold["id"] not in names["r"]] for group in task.steps)
        todo = next((group for group in left if group), None)
        if todo is None:
            try:
                return Turn(text=str(compute(task.answer, names)))
            except WRONG as error:  # a result that the runtime lost or changed
                return Turn(text=f"CANNOT: answer from the tool results: {error}")
        if body.get("tool_choice") == "none":
            return Turn(text="CANNOT: tool use was turned off before the task was finished")
        if "text_only" in faults:
            return Turn(text="I will look into that now.")
        if "empty_reply" in faults:
            return Turn()
        if body.get("parallel_tool_calls") is False or "one_by_one" in faults:
            todo = todo[:1]
        return self.calling(task, todo, names, offered, made, faults)

    def calling(
        self, task: Task, todo: list[dict[str, Any]], names: dict[str, Any], offered: Offered, made: Made, faults: set[str]
    ) -> Turn:
        """The calls of a step; where a tool is not offered, the search for it comes first."""
        calls: list[Call] = []
        searches: list[Call] = []
        for gold in todo:
            try:
                call = self.call(task, gold, names, offered, made)
            except WRONG as error:
                return Turn(text=f"CANNOT: arguments of {gold['tool']} from the tool results: {error}")
            if call is None:
                return Turn(text=f"CANNOT: no tool is offered to {gold.get('need') or gold['tool']}")
            if "__ok_" in call.id:
                calls.append(call)
            elif all(other.args != call.args for other in searches):  # the same need once
                searches.append(call)
        if searches:
            calls = searches
        else:
            spoil(calls, faults)
        return Turn(text=f"Step: {', '.join(call.name for call in calls)}.", calls=calls)

    def call(self, task: Task, gold: dict[str, Any], names: dict[str, Any], offered: Offered, made: Made) -> Call | None:
        arguments = compute(gold.get("args", {}), names)
        for option in (gold, *gold.get("alts", ())):
            wanted = arguments if option is gold else compute(option["args"], names)
            if name := offered.resolve(option.get("server", gold["server"]), option["tool"], wanted):
                return Call(name, wanted, call_id(gold["id"], "ok"))
        if (proxy := offered.first(PROXY)) and (call := by_name(offered, proxy, gold, arguments, made.found())):
            return call
        tool, before = offered.first(SEARCH), made.searches(gold["id"])
        if tool is None or before >= MAX_SEARCHES:
            self.searches[0] += 1
            return None
        self.searches[before + 1] += 1
        self.searches[before] -= bool(before)
        return search(offered, tool, gold, task.prompt, before)
