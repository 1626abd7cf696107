"""Which client builds, how its output and that of pulls is read, and how work is shared."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dtma.builds.buildkit import BuildOutput
from dtma.builds.client import BuildClient
from dtma.builds.pulling import PullOutput
from dtma.builds.shared import Report, SharedWork
from dtma.errors import Failure

STAGES = """\
#5 [fetch 1/2] FROM docker.io/library/debian:bookworm-slim
#5 DONE 0.0s

#6 [stage-1 1/2] RUN apt-get update
#6 CACHED

#7 [fetch 2/2] RUN pip install nothing
#7 sha256:2f333f590a1cc1f48065580b18acb106071ad9d6fbe021ab6f9a9fc771551b08
#7 2.363 Collecting nothing
"""
FAILED = """\
#7 4.111 npm error code ETARGET
#7 4.112 npm error notarget No matching version found for nothing@9.9.9.
#7 4.113 npm error A complete log of this run can be found in: /root/.npm/_logs/x.log
#7 ERROR: executor failed running [/bin/sh -c npm install]: exit code: 1
------
 > [fetch 2/2] RUN npm install:
------
failed to solve with frontend dockerfile.v0
"""


def test_progress_is_counted_over_all_stages() -> None:
    output = BuildOutput()
    for line in STAGES.splitlines():
        output.feed(line)
    assert output.detail == "step 2 of 2: Collecting nothing"
    assert output.fraction == 0.5
    output.feed("#7 DONE 3.0s")
    assert output.fraction == 0.75


def test_the_reason_is_what_the_failed_step_said_last() -> None:
    output = BuildOutput()
    for line in (STAGES + FAILED).splitlines():
        output.feed(line)
    assert output.reason.splitlines() == [
        "This version does not exist: choose one that does.",
        "Collecting nothing",
        "npm error code ETARGET",
        "npm error notarget No matching version found for nothing@9.9.9.",
    ]


def test_a_failure_without_a_step_is_told_too() -> None:
    output = BuildOutput()
    output.feed("error during connect: no such host")
    assert output.reason == "error during connect: no such host"


def layer(name: str, status: str, current: int = 0, total: int = 0) -> dict[str, Any]:
    return {"status": status, "id": name, "progressDetail": {"current": current, "total": total} if total else {}}


def test_a_pull_is_measured_by_the_bytes_of_its_layers() -> None:
    output = PullOutput("example/server:1")
    events = (
        {"status": "Pulling from example/server", "id": "1"},
        layer("here", "Already exists"),
        layer("a", "Pulling fs layer"),
        layer("b", "Pulling fs layer"),
        layer("a", "Waiting"),
        layer("a", "Downloading", 2_000_000, 8_000_000),  # a quarter of half of one of two layers
        layer("b", "Downloading", 1_000_000, 2_000_000),
        layer("b", "Download complete"),
        layer("a", "Download complete"),
        layer("a", "Extracting", 4_000_000, 8_000_000),
        layer("a", "Extracting", 1_000_000, 8_000_000),  # it never goes back
        layer("a", "Pull complete"),
        layer("b", "Pull complete"),
        {"status": "Digest: sha256:abc"},
    )
    told = [(output.fraction, output.detail.rpartition(", ")[2]) for event in events if output.feed(event)]
    assert told == [
        (0.06, "2 of at least 8 MB"),
        (0.15, "3 of 10 MB"),
        (0.2, "4 of 10 MB"),
        (0.5, "10 of 10 MB"),
        (0.7, "10 of 10 MB"),
        (0.9, "10 of 10 MB"),
        (1.0, "10 of 10 MB"),
    ]


def fake_docker(folder: Path, version: str, *, buildx: bool) -> None:
    folder.mkdir()
    script = folder / "docker"
    script.write_text(f'#!/bin/sh\n[ "$1" = --version ] && echo "Docker version {version}, build 1" || exit {0 if buildx else 1}\n')
    script.chmod(0o755)


@pytest.mark.parametrize(
    ("version", "buildx", "chosen"), [("20.10.24+dfsg1", False, True), ("28.2.2", True, True), ("28.2.2", False, False)]
)
async def test_a_client_that_can_build_is_chosen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, buildx: bool, chosen: bool
) -> None:
    fake_docker(tmp_path / "useless", "28.0.0", buildx=False)
    fake_docker(tmp_path / "other", version, buildx=buildx)
    monkeypatch.setenv("PATH", f"{tmp_path}/useless:{tmp_path}/other")
    monkeypatch.setattr("dtma.builds.client.FALLBACK", ())
    (tmp_path / "home").mkdir()
    client = BuildClient("unix:///nowhere", tmp_path / "home")
    if chosen:
        assert await client.path() == f"{tmp_path}/other/docker"
    else:
        with pytest.raises(Failure, match="docker-buildx"):
            await client.path()


async def test_work_is_done_once_and_ends_with_the_last_who_waits() -> None:
    shared, release = SharedWork(), asyncio.Event()
    began: list[int] = []
    ended: list[int] = []

    async def work(report: Report) -> str:
        began.append(1)
        report("half way", 0.5)
        try:
            await release.wait()
        finally:
            ended.append(1)
        return "made"

    async def join() -> tuple[asyncio.Task[str], list[tuple[str, float | None]]]:
        """Ask for the work; returns once its first report was heard."""
        heard: list[tuple[str, float | None]] = []
        told = asyncio.Event()

        def hear(detail: str, fraction: float | None) -> None:
            heard.append((detail, fraction))
            told.set()

        task = asyncio.create_task(shared.run("key", work, hear))
        await asyncio.wait_for(told.wait(), 5)
        return task, heard

    first, _ = await join()
    second, heard = await join()
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    assert (began, ended) == ([1], [])
    release.set()
    assert await second == "made"
    assert heard == [("half way", 0.5)]

    release.clear()
    third, _ = await join()
    third.cancel()
    with pytest.raises(asyncio.CancelledError):
        await third
    assert (began, ended) == ([1, 1], [1, 1])
