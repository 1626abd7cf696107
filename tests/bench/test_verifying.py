"""What tasks may say of their end state, and what they find when they begin."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from bench.tasking.setting_up import git, set_up
from bench.tasking.suite import ROOT, Task
from bench.tasking.verifying import Call, verified

SETUP = {
    "files": {"notes/a.txt": "one\ntwo\n"},
    "sqlite": ["create table t(x int)", "insert into t values(1),(2)"],
    "memory": [
        {"type": "entity", "name": "Ada", "entityType": "person", "observations": ["likes tea"]},
        {"type": "relation", "from": "Ada", "to": "Borea", "relationType": "works_for"},
    ],
    "git": [
        {"files": {"a.txt": "1\n"}, "commit": "first"},
        {"checkout": "-b other", "files": {"a.txt": "2\n"}, "commit": "second"},
        {"checkout": "main", "files": {"b.txt": "3\n"}},
    ],
}


def task(*verify: str, **setup: Any) -> Task:
    return Task.of(
        {"id": "t", "prompt": "Look into {root}/notes.", "servers": ["filesystem"], "setup": setup or SETUP, "verify": list(verify)}
    )


def outcome(volume: Path, *verify: str, answer: str = "", calls: Sequence[Call] = ()) -> str:
    return verified(task(*verify), volume, answer, calls)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    set_up(task(), tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "expression",
    [
        "read('notes/a.txt').splitlines() == ['one', 'two']",
        "exists('notes/a.txt') and not exists('notes/b.txt')",
        "sql('select sum(x) from t') == [(3,)]",
        "graph()['entities']['Ada']['observations'] == ['likes tea']",
        "('Ada', 'works_for', 'Borea') in graph()['relations']",
        "git('log', '--format=%s', 'other').split() == ['second', 'first']",
        "git('rev-parse', '--abbrev-ref', 'HEAD').strip() == 'main'",
        "git('status', '--porcelain').strip() == '?? b.txt'",
        "git('log', '-1', '--format=%an %aI').strip() == 'Ada Fixture 2026-01-01T09:00:00+00:00'",
        f"str(root / 'notes') == '{ROOT}/notes' and (root / 'notes' / 'a.txt').read_text().startswith('one')",
        "now.tzinfo is datetime.timezone.utc and re.match('a', 'a') and json.loads('1') and ast.literal_eval('1')",
        "(lambda: [x for x in (1, 2) if exists('notes/a.txt')])() == [1, 2]",
    ],
)
def test_sees_the_state_of_the_volume(volume: Path, expression: str) -> None:
    assert not outcome(volume, expression)


@pytest.mark.parametrize(
    ("expression", "answer", "holds"),
    [
        ("says(7443)", "It listens on 7443.", True),
        ("says(7443)", "It listens on 17443.", False),
        ("says(7)", "It is 1.7 of them", False),
        ("says('Ada', 'tea')", "ada likes Tea", True),
        ("'three' in low", "Three.", True),
        ("used('get-sum')", "", True),
        ("used('read_query')", "", False),
        ("calls[0]['args'] == {'a': 1} and calls[0]['ok']", "", True),
    ],
)
def test_sees_the_answer_and_the_calls(volume: Path, expression: str, answer: str, holds: bool) -> None:
    told = outcome(volume, expression, answer=answer, calls=[Call("everything__get-sum", {"a": 1}, ok=True)])
    assert (told == "") is holds


def test_says_what_does_not_hold(volume: Path) -> None:
    assert outcome(volume, "True", "read('notes/a.txt') == 'x'") == "not so: read('notes/a.txt') == 'x'"
    assert "FileNotFoundError" in outcome(volume, "read('missing')")


def test_a_task_without_setup_finds_an_empty_folder(tmp_path: Path) -> None:
    set_up(Task.of({"id": "t", "prompt": "", "servers": ["git"], "verify": []}), tmp_path)
    assert [path.name for path in (tmp_path / "work").iterdir()] == ["repo"]
    assert git(tmp_path / "work" / "repo", "status", "--porcelain") == ""


def test_the_question_names_the_folder() -> None:
    assert task().question == f"Look into {ROOT}/notes."
