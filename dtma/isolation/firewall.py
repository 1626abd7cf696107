"""The rules of one toolbox in the kernel, by way of the host's ``iptables``."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import Callable, Iterable

from dtma.isolation.rules import Guarded, Jump, ipv6_jump, jumps, removal, restore

_LOCK_SECONDS = "10"
"""How long to wait for others who change rules at the same moment."""
_MISSING = (
    "A server that needs a network is guarded by a firewall, and this host has no {}. "
    "Install it (Debian and Ubuntu: apt-get install iptables) and start the server again."
)


class Unguarded(Exception):
    """The rules cannot be made; the message is a sentence for a person. What depends on them must not run."""


class Firewall:
    """Brings the kernel to the rules of all guarded servers. Changes that wait for each other are made in one go."""

    def __init__(self, toolbox: str, guarded: Callable[[], Iterable[Guarded]]) -> None:
        self._toolbox = toolbox
        self._guarded = guarded
        self._lock = asyncio.Lock()
        self._wanted = self._done = 0

    async def apply(self) -> None:
        """Return when the kernel has the rules of this moment or of a later one. Raises ``Unguarded``."""
        self._wanted += 1
        mine = self._wanted
        async with self._lock:
            if self._done >= mine:
                return
            covers = self._wanted
            guarded = list(self._guarded())
            if guarded:
                await self._write(guarded)
            else:
                await self._erase()
            self._done = covers

    async def _write(self, guarded: list[Guarded]) -> None:
        await _restore(restore(self._toolbox, guarded))
        checks = [_ensure("iptables", jump) for jump in jumps(self._toolbox)]
        if _has_ipv6():
            checks.append(_ensure("ip6tables", ipv6_jump(self._toolbox)))
        await asyncio.gather(*checks)

    async def _erase(self) -> None:
        """Leave no trace on a host that has no server to guard, or no iptables."""
        if shutil.which("iptables") is None:
            return
        for jump in jumps(self._toolbox):
            await _drop("iptables", jump)
        if _has_ipv6() and shutil.which("ip6tables"):
            await _drop("ip6tables", ipv6_jump(self._toolbox))
        await _restore(removal(self._toolbox))


def _has_ipv6() -> bool:
    """Whether this kernel speaks IPv6 at all."""
    try:
        socket.socket(socket.AF_INET6, socket.SOCK_DGRAM).close()
    except OSError:
        return False
    return True


async def _restore(text: str) -> None:
    code, problem = await _run("iptables-restore", "--noflush", "-w", _LOCK_SECONDS, stdin=text)
    if code:
        raise Unguarded(_refused(problem))


async def _ensure(program: str, jump: Jump) -> None:
    if (await _run(program, "-w", _LOCK_SECONDS, "-t", jump.table, "-C", jump.chain, *jump.rule))[0] == 0:
        return
    code, problem = await _run(program, "-w", _LOCK_SECONDS, "-t", jump.table, "-I", jump.chain, "1", *jump.rule)
    if code:
        raise Unguarded(_refused(problem))


async def _drop(program: str, jump: Jump) -> None:
    """Remove a jump, however often it is there."""
    while (await _run(program, "-w", _LOCK_SECONDS, "-t", jump.table, "-D", jump.chain, *jump.rule))[0] == 0:
        continue


async def _run(program: str, *arguments: str, stdin: str = "") -> tuple[int, str]:
    """The exit code and what was said on standard error."""
    found = shutil.which(program)
    if found is None:
        raise Unguarded(_MISSING.format(program))
    # A file in memory, not a pipe: the program may end before it has read everything.
    with os.fdopen(os.memfd_create("rules"), "w+b") as text:
        text.write(stdin.encode())
        text.seek(0)
        quiet, heard = asyncio.subprocess.DEVNULL, asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(found, *arguments, stdin=text, stdout=quiet, stderr=heard)
        _, errors = await process.communicate()
    return process.returncode or 0, errors.decode(errors="replace").strip()


def _refused(problem: str) -> str:
    if "ermission denied" in problem or "you must be root" in problem:
        return "A server that needs a network is guarded by a firewall, which DTMA may only change as root. Run DTMA as root."
    return f"The firewall of this host refused a server's rules: {problem.splitlines()[-1] if problem else 'iptables failed'}"
