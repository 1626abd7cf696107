"""Carrying bytes between two connected sockets."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable

PIECE_BYTES = 64 * 1024
IDLE_SECONDS = 3600.0
KEEPALIVE_SECONDS = 60


async def relay(near: socket.socket, far: socket.socket, first: Awaitable[bytes]) -> None:
    """Carry bytes both ways until both sides have ended, one has broken off, or nothing has come for an hour.

    ``first`` is what ``near`` has said so far; ``far`` is listened to meanwhile, since in many protocols the server speaks first. What
    ``first`` raises comes out. A piece is taken only when the one before it is gone, so a slow reader slows the writer. Neither socket
    is closed here.
    """
    for sock in (near, far):
        keep_alive(sock)
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(IDLE_SECONDS) as idle:

        async def carry(source: socket.socket, target: socket.socket) -> None:
            buffer = bytearray(PIECE_BYTES)
            view = memoryview(buffer)
            try:
                while size := await loop.sock_recv_into(source, buffer):
                    idle.reschedule(loop.time() + IDLE_SECONDS)
                    await loop.sock_sendall(target, view[:size])
                target.shutdown(socket.SHUT_WR)
            except OSError:
                _break_off(source, target)

        back = asyncio.create_task(carry(far, near))
        try:
            start = await first
            if start:
                await loop.sock_sendall(far, start)
            await carry(near, far)
            await back
        finally:
            back.cancel()
            await asyncio.wait({back})


def keep_alive(sock: socket.socket) -> None:
    """Notice within minutes that the other side is gone."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _break_off(*sockets: socket.socket) -> None:
    """Wake whoever still waits for one of them."""
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
