"""One of everything that crosses the wire, in whichever version of its models.

    .venv/bin/python -m tests.wire.samples

writes what they look like as JSON into ``golden/``. For a version that is out, that must change nothing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydantic import BaseModel, SecretStr

import dtma_wire
from tests.wire import v3

GOLDEN = Path(__file__).parent / "golden"
AT = datetime(2026, 11, 23, 12, 30, 15, 250000, UTC)
TOOL = {"name": "echo", "inputSchema": {"type": "object"}, "x-unknown": {"kept": True}}


def samples(wire: Any) -> dict[str, BaseModel]:
    """By name; ``wire`` is a module with all models of a version."""
    return {**_specs(wire), **_answers(wire), **_events(wire), **_heartbeats(wire), **_rest(wire)}


def _specs(wire: Any) -> dict[str, BaseModel]:
    since_4 = {} if wire.WIRE_VERSION < 4 else {"restart": wire.RestartPolicy.NEVER}
    full = wire.ServerSpec(
        generation=7,
        incarnation=3,
        name="memory",
        source=wire.NpmPackage(name="@modelcontextprotocol/server-memory", version="2026.8.31", runtime="node"),
        transport=wire.StdioTransport(),
        arguments=("--flag", "ünïcode"),
        environment={"COLOUR": "green"},
        secrets={"API_KEY": SecretStr("a secret")},
        secret_files=(wire.SecretFile(name="token.json", content=SecretStr("another"), variable="TOKEN_FILE"),),
        volumes=(wire.Volume(name="data", path="/data"), wire.Volume(name="common", path="/common", shared=True, read_only=True)),
        resources=wire.Resources(memory_mb=256, cpus=0.5, pids=64, open_files=1024, tmp_mb=16),
        egress=wire.Egress.ALLOWLIST,
        allowed=(wire.Destination(host="*.example.org", port=443),),
        sessions=wire.Sessions(mode="own", most=2, idle_seconds=60),
        desired="stopped",
        **since_4,
    )
    http = wire.HttpTransport(port=8000, path="/mcp", host="localhost")
    sse = wire.SseTransport(port=8000, path="/sse", host="localhost")
    return {
        "spec_full": full,
        "spec_minimal": wire.ServerSpec(generation=1, name="x", source=wire.OciImage(reference="example/x:1")),
        "spec_pypi_http": wire.ServerSpec(
            generation=1, name="x", source=wire.PypiPackage(name="mcp-x", version="1.0", requires=("mcp<3",)), transport=http
        ),
        "spec_nuget_sse": wire.ServerSpec(generation=1, name="x", source=wire.NugetPackage(name="X.Mcp", version="1.0"), transport=sse),
    }


def _answers(wire: Any) -> dict[str, BaseModel]:
    codes = {f"error_{code.value}": wire.ErrorBody(code=code, message="A sentence.", retryable=True) for code in wire.ErrorCode}
    return codes | {
        "progress": wire.Progress(step=wire.Step.IMAGE, state=wire.StepState.RUNNING, at=AT, detail="fetching", fraction=0.25),
        "settled_ready": wire.Settled(ready=True, server=_running(wire)),
        "settled_failed": wire.Settled(ready=False, server=_crashed(wire)),
        "ping": wire.Ping(),
        "server_event": wire.ServerEvent(server=_running(wire)),
        "log_line": wire.LogLine(ts=AT, stream="stderr", text="hello"),
    }


def _events(wire: Any) -> dict[str, BaseModel]:
    denial = wire.Denial(host="example.org", port=443, count=2, first_at=AT, last_at=AT)
    stats = wire.Stats(
        at=AT,
        cpu_percent=1.5,
        cpu_seconds=20.25,
        throttled_seconds=None,
        memory_bytes=1,
        memory_limit_bytes=2,
        memory_peak_bytes=None,
        out_of_memory_kills=0,
        pids=3,
        network_received_bytes=None,
        network_sent_bytes=4,
        block_read_bytes=5,
        block_written_bytes=6,
        containers=1,
    )
    return {"host_info": _info(wire), "stats": stats, "egress_report": wire.EgressReport(allowed=1, denied=2, denials=(denial,))}


def _heartbeats(wire: Any) -> dict[str, BaseModel]:
    common = {"wire_version": wire.WIRE_VERSION, "epoch": 2, "revision": 2**33 + 7, "sent_at": AT, "info": _info(wire)}
    load = wire.HostLoad(cpu_percent=12.5, load=0.75, memory_used_bytes=2**31, disk_used_bytes=2**34)
    more = {"load": load, "orphans": (_orphan(wire),)}
    since = {"load": load.model_copy(update={"cpu_percent": None})}
    if wire.WIRE_VERSION >= 4:
        more |= {"usage": (_usage(wire),), "usage_first": 1}
    return {
        "heartbeat_full": wire.Heartbeat(**common, sequence=1, servers=(_running(wire), _crashed(wire)), **more),
        "heartbeat_delta": wire.Heartbeat(**common, sequence=2, servers=(), unchanged=("a", "b"), since=1, **since),
        "heartbeat_answer": wire.HeartbeatAnswer(interval_seconds=15),
        "heartbeat_answer_resend": wire.HeartbeatAnswer(interval_seconds=2.5, resend=True),
    }


def _rest(wire: Any) -> dict[str, BaseModel]:
    wanted = (
        wire.Wanted(id="a", generation=4, desired="absent", volumes="remove"),
        wire.Wanted(id="b", generation=5, desired="stopped"),
    )
    enrol = wire.Enrol(wire_version=3, token=SecretStr("one-time"), request="PEM", port=7443, address="box.example.org", hostname="box")
    since_4 = {} if wire.WIRE_VERSION < 4 else {"package_info": _package(wire)}
    return since_4 | {
        "heartbeat_answer_wanted": wire.HeartbeatAnswer(interval_seconds=15, wanted=wanted),
        "orphan": _orphan(wire),
        "enrol": enrol,
        "enrolled": wire.Enrolled(toolbox="0b8e7a3e-3c67-4d43-a1c5-8a32a7a81d30", certificate="PEM", heartbeat_seconds=15),
        "renew": wire.Renew(request="PEM"),
        "renewed": wire.Renewed(certificate="PEM"),
    }


def _package(wire: Any) -> BaseModel:
    found: BaseModel = wire.PackageInfo(
        name="@example/weather",
        version="1.2.3",
        versions=("1.2.3", "1.2.2"),
        description="Tells the weather.",
        license="MIT",
        homepage="https://example.org",
    )
    return found


def _usage(wire: Any) -> BaseModel:
    found: BaseModel = wire.ServerUsage(
        id="a",
        seconds=60,
        cpu_percent=2.5,
        memory_bytes=2**26,
        memory_limit_bytes=2**28,
        received_bytes=1,
        sent_bytes=None,
        out_of_memory_kills=0,
    )
    return found


def _running(wire: Any) -> BaseModel:
    found: BaseModel = wire.ServerState(
        id="a",
        name="memory",
        generation=7,
        revision=2**33 + 5,
        phase=wire.Phase.RUNNING,
        image="example/x:1",
        container="c" * 64,
        started_at=AT,
        restarts=1,
        protocol_version="2025-11-25",
        server_info={"name": "memory", "version": "1"},
        tools=(TOOL,),
        tools_hash="d" * 64,
    )
    return found


def _crashed(wire: Any) -> BaseModel:
    line = wire.LogLine(ts=AT, stream="stderr", text="no")
    reason = "The server exited with code 3 right after it started."
    found: BaseModel = wire.ServerState(
        id="b", generation=1, revision=2**33 + 6, phase=wire.Phase.CRASHED, reason=reason, exit_code=3, last_log=(line,)
    )
    return found


def _info(wire: Any) -> BaseModel:
    found: BaseModel = wire.HostInfo(
        dtma_version="0.1.0",
        wire_version=wire.WIRE_VERSION,
        mcp_versions=("2025-11-25", "2026-07-28"),
        hostname="box",
        cpus=2,
        memory_bytes=2**32,
        disk_free_bytes=2**35,
        engine_version="29.1.2",
        isolation=("apparmor", "seccomp"),
        disk_bytes=2**36,
        arch="x86_64",
        system="Debian GNU/Linux 13 (trixie)",
        kernel="6.12",
    )
    return found


def _orphan(wire: Any) -> BaseModel:
    found: BaseModel = wire.Orphan(
        container="c" * 64,
        name="agentopia-x",
        server="x",
        server_name="memory",
        image="example/x:1",
        created_at=AT,
        running=False,
        adoptable=False,
        reason="It does not run.",
    )
    return found


def main() -> None:
    for wire in (v3, dtma_wire):
        folder = GOLDEN / f"v{wire.WIRE_VERSION}"
        folder.mkdir(parents=True, exist_ok=True)
        for name, sample in samples(wire).items():
            (folder / f"{name}.json").write_text(json.dumps(sample.model_dump(mode="json"), indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
