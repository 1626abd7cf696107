"""What a call cost, told with its result."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from dtma.observing.cgroups import open_gauges
from dtma.observing.cost import COST, Meter
from dtma_client import DtmaClient
from dtma_wire import Egress, Resources
from tests.dtma.agent import ready, spec_of

MB = 1024 * 1024
CONTAINER = "4" * 64


async def call(client: DtmaClient, server_id: str, tool: str, **arguments: Any) -> tuple[Any, dict[str, Any]]:
    """What a tool said, and what that cost."""
    result = await client.mcp(server_id).call_tool(tool, arguments, 30)
    text = result["content"][0]["text"]
    return text if not text[0].isdigit() else json.loads(text), result["_meta"][COST]


async def test_each_call_is_told_what_it_cost(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer", egress=Egress.OPEN, resources=Resources(memory_mb=256)))
    burnt, burning = await call(client, server_id, "burn", seconds=0.5)
    size, allocating = await call(client, server_id, "allocate", megabytes=60)
    sent, sending = await call(client, server_id, "send", bytes=300_000)

    assert 0.9 * burnt <= burning["cpu_seconds"] <= 2 * burnt + 0.2
    assert 0.9 * burnt <= burning["server_seconds"] < 30
    assert burning["cpu_seconds"] > sending["cpu_seconds"]
    assert 0.9 * size <= allocating["peak_memory_bytes"] <= size + 20 * MB  # it was given back before the answer
    assert max(burning["peak_memory_bytes"], sending["peak_memory_bytes"]) < size / 2
    assert sent <= sending["egress_bytes"] <= 1.2 * sent
    assert max(burning["egress_bytes"], allocating["egress_bytes"]) < sent / 2
    assert not any(cost["shared"] for cost in (burning, allocating, sending))


async def test_calls_that_overlap_share_their_cost(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer"))
    met = await asyncio.gather(*(call(client, server_id, "meet") for _ in range(2)))
    assert [said for said, _ in met] == ["met", "met"]
    assert [cost["shared"] for _, cost in met] == [True, True]
    _, alone = await call(client, server_id, "burn", seconds=0.01)
    assert alone["shared"] is False


async def test_what_a_call_cost_says_nothing_of_the_call_before(client: DtmaClient, image: str, server_id: str) -> None:
    await ready(client, server_id, spec_of(image, "consumer", resources=Resources(memory_mb=256)))
    burnt, _ = await call(client, server_id, "burn", seconds=0.5)
    await call(client, server_id, "allocate", megabytes=60)
    _, after = await call(client, server_id, "burn", seconds=0.01)
    assert after["cpu_seconds"] < burnt
    assert after["peak_memory_bytes"] < 20 * MB
    # The peak of the container's life is another figure, and still what it was.
    latest = [sample async for sample in client.stats(server_id)][-1]
    assert latest.memory_peak_bytes is None or latest.memory_peak_bytes >= latest.memory_bytes


# --- control groups v2: a tree as the kernel's documentation has it, since this test must run on a host with v1 too ---


class Host:
    """The files of one container on a host with v2."""

    def __init__(self, root: Path, group: str = f"system.slice/docker-{CONTAINER}.scope") -> None:
        self.proc = root / "proc"
        self.group = root / "cgroup" / group
        self.group.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "self" / "mounts").write_text(f"proc /proc proc rw 0 0\ncgroup2 {root}/cgroup cgroup2 rw,nosuid 0 0\n")
        (self.proc / "7" / "net").mkdir(parents=True)
        (self.proc / "7" / "cgroup").write_text(f"0::/{group}\n")
        self.use(cpu=1_500_000, current=60 * MB, peak=100 * MB, cache=10 * MB, sent=1000)
        self.write("memory.max", "268435456\n")
        self.write("memory.events", "low 0\nhigh 0\nmax 5\noom 2\noom_kill 2\noom_group_kill 0\n")
        self.write("pids.current", "9\n")
        self.write(
            "io.stat", "8:16 rbytes=1459200 wbytes=314773504 rios=192 wios=353 dbytes=0 dios=0\n8:0 rbytes=1 wbytes=2 rios=1 wios=1\n"
        )

    def use(self, *, cpu: int, current: int, peak: int, cache: int, sent: int) -> None:
        self.write("cpu.stat", f"usage_usec {cpu}\nuser_usec 1\nsystem_usec 1\nnr_periods 9\nnr_throttled 3\nthrottled_usec 250000\n")
        self.write("memory.current", f"{current}\n")
        self.write("memory.peak", f"{peak}\n")
        self.write("memory.stat", f"anon 1\nfile 2\ninactive_anon 4\ninactive_file {cache}\nactive_file 3\n")
        lo, eth = "    lo: 77 1 0 0 0 0 0 0 77 1 0 0 0 0 0 0", f"  eth0:{500} 5 0 0 0 0 0 0 {sent} 6 0 0 0 0 0 0"
        head = "Inter-|   Receive                |  Transmit\n face |bytes    packets errs |bytes    packets\n"
        (self.proc / "7" / "net" / "dev").write_text(f"{head}{lo}\n{eth}\n")

    def write(self, name: str, content: str) -> None:
        (self.group / name).write_text(content)


def test_v2_tells_all_figures(tmp_path: Path) -> None:
    host = Host(tmp_path)
    gauges = open_gauges(CONTAINER, 7, host.proc)
    assert gauges is not None
    figures = gauges.figures()
    assert (figures.cpu_seconds, figures.throttled_seconds) == (1.5, 0.25)
    assert (figures.memory_bytes, figures.memory_limit_bytes, figures.memory_peak_bytes) == (50 * MB, 256 * MB, 100 * MB)
    assert (figures.out_of_memory_kills, figures.pids) == (2, 9)
    assert (figures.network_received_bytes, figures.network_sent_bytes) == (500, 1000)
    assert (figures.block_read_bytes, figures.block_written_bytes) == (1459201, 314773506)
    gauges.close()
    gauges.close()


def test_v2_does_not_make_up_what_is_switched_off(tmp_path: Path) -> None:
    host = Host(tmp_path)
    for name in ("io.stat", "memory.peak"):
        (host.group / name).unlink()
    host.write("cpu.stat", "usage_usec 5\nuser_usec 1\nsystem_usec 1\n")
    gauges = open_gauges(CONTAINER, 7, host.proc)
    assert gauges is not None
    figures = gauges.figures()
    assert (figures.block_read_bytes, figures.memory_peak_bytes, figures.throttled_seconds) == (None, None, None)
    gauges.close()


def test_v2_measures_a_call(tmp_path: Path) -> None:
    host = Host(tmp_path)
    meter = Meter(open_gauges(CONTAINER, 7, host.proc))
    assert meter.gauges is not None
    assert meter.gauges.renews_peak
    measurement = meter.begin()
    host.use(cpu=1_750_000, current=62 * MB, peak=95 * MB, cache=15 * MB, sent=3500)
    # 50 MB at its beginning, 80 at its highest: 5 MB more of what is in use is cache now
    cost = measurement.end()[COST]
    assert 0 <= cost.pop("server_seconds") < 1
    assert cost == {"cpu_seconds": 0.25, "egress_bytes": 2500, "peak_memory_bytes": 30 * MB, "shared": False}
    assert measurement.end() == {}


@pytest.mark.parametrize(("peak", "told"), [(130, {"peak_memory_bytes": 70 * MB}), (100, {"memory_growth_bytes": 5 * MB})])
def test_v2_before_linux_6_12_tells_a_peak_only_where_it_rose(tmp_path: Path, peak: int, told: dict[str, int]) -> None:
    host = Host(tmp_path)
    (host.group / "memory.peak").chmod(0o444)
    meter = Meter(open_gauges(CONTAINER, 7, host.proc))
    measurement = meter.begin()
    host.use(cpu=1_500_000, current=65 * MB, peak=peak * MB, cache=10 * MB, sent=1000)
    cost = measurement.end()[COST]
    assert cost.pop("server_seconds") >= 0
    assert cost == {"cpu_seconds": 0.0, "egress_bytes": 0, "shared": False, **told}


def test_every_overlap_is_shared_and_nothing_else(tmp_path: Path) -> None:
    meter = Meter(open_gauges(CONTAINER, 7, Host(tmp_path).proc))
    first, second = meter.begin(), meter.begin()
    assert second.end()[COST]["shared"]
    third = meter.begin()
    assert first.end()[COST]["shared"]
    assert third.end()[COST]["shared"]
    assert not meter.begin().end()[COST]["shared"]


def test_nothing_is_told_where_nothing_can_be_read(tmp_path: Path) -> None:
    host = Host(tmp_path)
    assert Meter().begin().end() == {}
    assert open_gauges("5" * 64, 7, host.proc) is None  # the process is another container's
    assert open_gauges(CONTAINER, 8, host.proc) is None  # there is no such process
    (host.group / "memory.current").unlink()
    assert open_gauges(CONTAINER, 7, host.proc) is None
