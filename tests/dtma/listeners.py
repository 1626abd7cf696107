"""What is outside, as its own process: listeners of several kinds and a resolver. Every connection and question is written to a file.

``python -m tests.dtma.listeners FILE ADDRESS…``: each address gets all listeners; the first one the resolver too. Names are in ``ZONE``.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
import subprocess
import sys
from pathlib import Path

BANNER = "welcome\n"
TLS, BANNERED, COUNTING, DATABASE_TLS, DISCARD_UDP = 443, 27017, 8080, 27018, 9999


class Outside:
    """Writes down whatever reaches it."""

    def __init__(self, record: Path, zone: dict[str, list[str]]) -> None:
        self._record = record
        self._zone = zone

    def note(self, *words: object) -> None:
        with self._record.open("a") as file:
            file.write(" ".join(map(str, words)) + "\n")

    async def listen(self, address: str, secure: ssl.SSLContext) -> None:
        await asyncio.start_server(self._on_tls, address, TLS, ssl=secure)
        await asyncio.start_server(self._on_tls, address, DATABASE_TLS, ssl=secure)
        await asyncio.start_server(self._on_bannered, address, BANNERED)
        for port in (COUNTING, 80):
            await asyncio.start_server(self._on_counting, address, port)
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: Datagrams(self, resolves=False), (address, DISCARD_UDP))

    async def resolve(self, address: str) -> None:
        await asyncio.get_running_loop().create_datagram_endpoint(lambda: Datagrams(self, resolves=True), (address, 53))

    async def _on_tls(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = writer.get_extra_info("sockname")
        self.note("tls", *here[:2])
        line = await reader.readline()
        writer.write(f"tls at {here[0]}:{here[1]} heard {line.decode()}".encode())
        await _end(writer)

    async def _on_bannered(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = writer.get_extra_info("sockname")
        self.note("bannered", *here[:2])
        writer.write(BANNER.encode())
        line = await reader.readline()
        writer.write(f"at {here[0]} heard {line.decode()}".encode())
        await _end(writer)

    async def _on_counting(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        here = writer.get_extra_info("sockname")
        self.note("counting", *here[:2])
        size = len(await reader.read())
        writer.write(b"x" * size)
        await _end(writer)

    def answer(self, query: bytes) -> bytes:
        """A (and SRV, always the same one) for the names of the zone, NXDOMAIN for others."""
        at, labels = 12, []
        while query[at]:
            labels.append(query[at + 1 : at + 1 + query[at]].decode())
            at += 1 + query[at]
        name, kind = ".".join(labels).lower(), struct.unpack_from(">H", query, at + 1)[0]
        self.note("asked", name, kind)
        found = self._zone.get(name)
        records = b""
        count = 0
        if found is not None and kind == 1:
            count = len(found)
            records = b"".join(struct.pack(">HHHIH", 0xC00C, 1, 1, 1, 4) + bytes(map(int, text.split("."))) for text in found)
        elif found is not None and kind == 33:
            count, target = 1, b"\x02db\x07example\x03org\x00"
            records = struct.pack(">HHHIHHHH", 0xC00C, 33, 1, 1, 6 + len(target), 0, 0, BANNERED) + target
        flags = 0x8180 | (3 if found is None else 0)
        return query[:2] + struct.pack(">HHHHH", flags, 1, count, 0, 0) + query[12 : at + 5] + records


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, outside: Outside, *, resolves: bool) -> None:
        self._outside = outside
        self._resolves = resolves

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        if self._resolves:
            self._transport.sendto(self._outside.answer(data), addr)
        else:
            self._outside.note("udp", *self._transport.get_extra_info("sockname")[:2])
            self._transport.sendto(b"udp heard", addr)


async def _end(writer: asyncio.StreamWriter) -> None:
    await writer.drain()
    writer.close()


def certificate(folder: Path) -> ssl.SSLContext:
    """TLS with a certificate that nobody trusts."""
    key, cert = folder / "key.pem", folder / "cert.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
    subprocess.run([*command, "-subj", "/CN=outside", "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    return context


async def main() -> None:
    record, zone, addresses = Path(sys.argv[1]), sys.argv[2], sys.argv[3:]
    names = {name: found.split("+") for name, _, found in (entry.partition("=") for entry in zone.split(","))}
    outside = Outside(record, names)
    secure = certificate(record.parent)
    for address in addresses:
        await outside.listen(address, secure)
    await outside.resolve(addresses[0])
    outside.note("ready")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
