"""What a tool call costs on its way through the control plane and DTMA, over the attach stream itself.

    .venv/bin/python -m bench.calls [--calls 400] [--json]

One client, one call at a time, in turns of 20: the attach stream of a container of the same image, DTMA's own endpoint, and the
REST API. Every call through the REST API checks its arguments and writes its receipt. Prints p50 and p95, and what each way adds.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import ssl
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable

from bench.bare import attached
from bench.measured import fresh_agentopia, machine
from dtma_client import DtmaClient, Endpoint

TURN = 20
TARGET_MS = 10.0
type Call = Callable[[str], Awaitable[str]]


async def timed(call: Call, count: int) -> list[float]:
    """Milliseconds of each of so many calls, each answer checked."""
    taken = []
    for number in range(count):
        began = time.perf_counter()
        said = await call(f"call {number}")
        taken.append((time.perf_counter() - began) * 1000)
        assert said == f"Echo: call {number}", said
    return taken


async def measure(calls: int) -> dict[str, dict[str, float]]:
    async with fresh_agentopia() as api:
        server = await api.settled((await api.ask("POST", "servers/", {"entry": "everything"}))["id"])
        told = json.loads(await asyncio.to_thread(api.stack.manage, "shell", "--no-imports", "-c", REVEAL))
        async with attached(server["image"], ["stdio"]) as request, DtmaClient(endpoint_of(told)) as dtma:

            async def attach_stream(message: str) -> str:
                result = await request("tools/call", {"name": "echo", "arguments": {"message": message}})
                return str(result["content"][0]["text"])

            async def through_dtma(message: str) -> str:
                result = await dtma.mcp(server["id"]).call_tool("echo", {"message": message})
                return str(result["content"][0]["text"])

            async def through_rest(message: str) -> str:
                answer = await api.ask("POST", f"servers/{server['id']}/tools/echo/call/", {"arguments": {"message": message}})
                return str(answer["result"]["content"][0]["text"])

            ways: dict[str, Call] = {"attach stream": attach_stream, "through DTMA": through_dtma, "through the REST API": through_rest}
            taken: dict[str, list[float]] = {name: [] for name in ways}
            for call in ways.values():
                await timed(call, TURN)  # connections, caches
            for _ in range(calls // TURN):
                for name, call in ways.items():
                    taken[name] += await timed(call, TURN)
    base = statistics.median(taken["attach stream"])
    return {
        name: {
            "p50_ms": statistics.median(values),
            "p95_ms": statistics.quantiles(values, n=20)[-1],
            "adds_p50_ms": statistics.median(values) - base,
            "calls": len(values),
        }
        for name, values in taken.items()
    }


REVEAL = """
import json
from datetime import timedelta
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from dtma_wire import CONTROL_PLANE_NAME
from toolboxes.identity.authority import certificate_authority
from toolboxes.models import Toolbox
toolbox, authority, key = Toolbox.objects.get(), certificate_authority(), ec.generate_private_key(ec.SECP256R1())
secret = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()).decode()
chain = secret + authority.sign(key.public_key(), CONTROL_PLANE_NAME, timedelta(hours=1)).pem
print(json.dumps({"url": toolbox.url, "name": toolbox.identity, "authority": authority.pem, "chain": chain}))
"""


def endpoint_of(told: dict[str, str]) -> Endpoint:
    """The toolbox of this machine, as the control plane reaches it."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    tls.load_verify_locations(cadata=told["authority"])
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(told["chain"])
        file.flush()
        tls.load_cert_chain(file.name)
    return Endpoint(told["url"], told["name"], tls)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--calls", type=int, default=400)
    options.add_argument("--json", action="store_true", help="print one JSON object as the last line")
    chosen = options.parse_args()
    print(machine())
    figures = asyncio.run(measure(chosen.calls))
    for name, figure in figures.items():
        spread = f"p50 {figure['p50_ms']:6.2f} ms, p95 {figure['p95_ms']:6.2f} ms"
        print(f"{name:<22} {spread}, adds {figure['adds_p50_ms']:5.2f} ms p50, {figure['calls']} calls")
    added = figures["through the REST API"]["adds_p50_ms"]
    print(f"The REST API {'keeps' if added <= TARGET_MS else 'MISSES'} its target of {TARGET_MS:g} ms added.")
    if chosen.json:
        print(json.dumps(figures))


if __name__ == "__main__":
    main()
