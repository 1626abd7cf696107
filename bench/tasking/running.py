"""The measurement: Agentopia, the servers, the agent, and all tasks in all modes one after the other, since they share one volume."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from time import perf_counter

import aiodocker
import aiohttp
import psutil

from bench.catalog_deploys import images_left_as_found
from bench.gateway.stack import Part
from bench.measured import POLL_SECONDS, Api, fresh_agentopia
from bench.scripted.language import WRONG
from bench.tasking import gold
from bench.tasking.asking import ask
from bench.tasking.models import Thinking, model, offer
from bench.tasking.modes import CRASH, NOTHING, Mode
from bench.tasking.reporting import Outcome, Report
from bench.tasking.servers import Held, chosen, connect, deploy
from bench.tasking.suite import Task
from bench.tasking.trouble import Trouble
from bench.tasking.verifying import Call, verified
from bench.tasking.volume import Volume, mounted
from tests.dtma.agent import ENGINE_URL

GOING_AT_A_TIME = 8
WELL_SECONDS = 120
VOLUME_OF = "filesystem"
READ_SECONDS, QUIET_SECONDS, QUIET_SHARE = 900, 2.0, 0.15


@dataclass(frozen=True)
class Chosen:
    """What is measured (see ``bench/tasks.py``)."""

    tasks: list[Task]
    modes: list[Mode]
    servers: str
    tool_mode: str
    gold: bool
    jobs: int
    seconds: float
    keep_images: bool

    @property
    def needed(self) -> set[str]:
        """The servers that the tasks use, and the one whose volume all share."""
        return {VOLUME_OF, *(server for task in self.tasks for server in task.servers)}


@dataclass(frozen=True)
class Bench:
    """Everything that runs."""

    api: Api
    engine: aiodocker.Docker
    volume: Volume
    held: Held
    agent: str
    thinking: Thinking
    chosen: Chosen

    async def outcome(self, task: Task, mode: Mode) -> Outcome:
        """Set a task up, do it, look at what became of it."""
        await self.volume.prepare(task)
        began = perf_counter()
        answer, calls, trouble = await (self._played(task) if self.chosen.gold else self._asked(task, mode))
        seconds = perf_counter() - began
        async with self.volume.copied() as copy:
            reason = await asyncio.to_thread(verified, task, copy, answer, calls)
        if reason:
            reason = f"{reason}; it said: {answer[:200]}"
        if CRASH in mode.server:
            await self._well_again(self.held.ids[task.servers[0]])
        return Outcome(mode.name, task.id, seconds, len(calls), reason, trouble)

    async def _well_again(self, server: str) -> None:
        """As its owner would: one that crashes again and again is started later each time, and in the end no more."""
        await self.api.ask("POST", f"servers/{server}/restart/")
        async with asyncio.timeout(WELL_SECONDS):
            while True:
                newest = (await self.api.ask("GET", f"servers/{server}/deployments/?limit=1"))["results"][0]
                if newest["finished_at"] and (await self.api.settled(server))["status"] == "running":
                    return
                await asyncio.sleep(POLL_SECONDS)

    async def _played(self, task: Task) -> tuple[str, list[Call], str]:
        try:
            return *await gold.play(self.api, self.held.ids, task), ""
        except WRONG as error:
            return "", [], f"{type(error).__name__}: {error}"

    async def _asked(self, task: Task, mode: Mode) -> tuple[str, list[Call], str]:
        if self.thinking.scripted is not None:
            self.thinking.scripted.fail(mode.model)
        name = task.servers[0]
        async with Trouble(self.engine, name, self.held.ids[name], mode) as trouble:
            try:
                answered = await ask(self.api, self.agent, task.question, trouble.heard, self.chosen.seconds)
            except aiohttp.ClientError as error:
                return "", [], f"the API answered {error}"
        return answered.answer, answered.calls, answered.trouble


async def measure(wanted: Chosen) -> Report:
    """Start everything, do all tasks, and take everything away again."""
    this = asyncio.current_task()
    assert this is not None
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, this.cancel)
    with model(wanted.tasks) as thinking:
        if thinking.scripted is None:  # a real model makes its own mistakes
            wanted.modes[:] = [mode for mode in wanted.modes if not mode.model]
        async with _running(wanted, thinking) as bench:
            report = Report("no model (gold calls)" if wanted.gold else thinking.name, bench.held)
            for mode in (NOTHING, *wanted.modes):
                for task in wanted.tasks:
                    report.outcomes.append(await bench.outcome(task, mode))
                    print(report.outcomes[-1], flush=True)
                    if thinking.scripted is not None:
                        report.offered = [*report.offered, *(len(entry["offered"]) for entry in thinking.scripted.log)]
    return report


@contextlib.asynccontextmanager
async def _running(wanted: Chosen, thinking: Thinking) -> AsyncIterator[Bench]:
    async with contextlib.AsyncExitStack() as stack:
        engine = await stack.enter_async_context(aiodocker.Docker(ENGINE_URL))
        api = await stack.enter_async_context(fresh_agentopia())
        await stack.enter_async_context(images_left_as_found(engine, keep=wanted.keep_images))
        stack.push_async_callback(_all_gone, api)
        began = perf_counter()
        held = await deploy(api, chosen(wanted.servers, wanted.needed), wanted.needed, wanted.jobs)
        agent = await connect(api, held, tool_mode=wanted.tool_mode)
        print(f"{held}; {agent['held_count']} held back; {perf_counter() - began:.0f} s", flush=True)
        if not wanted.gold:
            await offer(api, thinking, agent["id"])
            await _read(Part(psutil.Process(api.stack.process("worker"))))
        volume = await stack.enter_async_context(mounted(engine, held.ids[VOLUME_OF]))
        yield Bench(api, engine, volume, held, agent["id"], thinking, wanted)


async def _read(worker: Part) -> None:
    """Until the worker has read the tools for the selection, which keeps a processor busy for a while."""
    async with asyncio.timeout(READ_SECONDS):
        while True:
            before = worker.cpu_seconds
            await asyncio.sleep(QUIET_SECONDS)
            if worker.cpu_seconds - before < QUIET_SHARE * QUIET_SECONDS:
                return


async def _all_gone(api: Api) -> None:
    """Delete every server with what it kept."""
    servers = (await api.ask("GET", "servers/?limit=500"))["results"]
    limit = asyncio.Semaphore(GOING_AT_A_TIME)

    async def gone(server: str) -> None:
        async with limit:
            await api.gone(server)

    await asyncio.gather(*(gone(server["id"]) for server in servers))
