"""What a task finds when it begins: files, a SQLite database, a memory graph, a Git repository; made in a folder of this machine."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

from bench.tasking.suite import Task

DATABASE = "work/app.db"
MEMORY = "memory.jsonl"
"""Both as seen from the volume: the memory server has a place of its own, outside of the tasks' folder."""
WORK = "work"
AUTHOR = ("Ada Fixture", "ada@example.org")


def git(repository: Path, *arguments: str, day: int = 1) -> str:
    """The output of a git command, of nobody's configuration and of a fixed day. Raises CalledProcessError."""
    name, mail = AUTHOR
    moment = f"2026-01-{day:02d}T09:00:00+00:00"
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_NAME": name for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_EMAIL": mail for who in ("AUTHOR", "COMMITTER")},
        **{f"GIT_{who}_DATE": moment for who in ("AUTHOR", "COMMITTER")},
    }
    command = ["git", "-C", str(repository), *arguments]
    return subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout


def set_up(task: Task, volume: Path) -> None:
    """Make in `volume`, which is empty, what the task's ``setup`` says."""
    root = volume / WORK
    root.mkdir()
    _files(root, task.setup.get("files") or {})
    if statements := task.setup.get("sqlite"):
        with closing(sqlite3.connect(volume / DATABASE)) as database, database:
            database.executescript(";\n".join(statements) + ";")
    if remembered := task.setup.get("memory"):
        (volume / MEMORY).write_text("\n".join(json.dumps(each) for each in remembered))
    if "git" in task.servers or task.setup.get("git"):
        _repository(root / "repo", task.setup.get("git") or [])


def _files(folder: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def _repository(folder: Path, steps: list[dict[str, Any]]) -> None:
    """Each step may check something out, change files, and commit everything."""
    folder.mkdir(exist_ok=True)
    name, mail = AUTHOR
    git(folder, "init", "-q", "-b", "main")
    git(folder, "config", "user.name", name)
    git(folder, "config", "user.email", mail)
    for number, step in enumerate(steps):
        if "checkout" in step:
            git(folder, "checkout", "-q", *step["checkout"].split())
        _files(folder, step.get("files") or {})
        if "commit" in step:
            git(folder, "add", "-A")
            git(folder, "commit", "-q", "-m", step["commit"], day=1 + number)
