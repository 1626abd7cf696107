"""What docs/21-chat.md tells one to type works as it is written, with a real web process, runner and model."""

from __future__ import annotations

import json
import os
import re
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections

from accounts.models import User
from accounts.services import create_api_token
from agentopia.environment import BASE_DIR
from bench.scripted.serving import Served
from chat.models import Conversation, Run
from chat.running.engine import EngineThread
from tests.chat.running.conftest import running, scripted_provider
from tests.chat.scripted import scripted

__all__ = ["scripted"]

DOCUMENT = (BASE_DIR / "docs" / "21-chat.md").read_text()


@contextmanager
def doing_what_is_due(runner: EngineThread) -> Iterator[None]:
    """Carry out runs as they are queued."""
    over = threading.Event()

    def work() -> None:
        while not over.wait(0.05):
            for run_id in Run.objects.filter(status=Run.Status.QUEUED).values_list("pk", flat=True):
                runner.perform(run_id)
        connections.close_all()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join(30)


def typed(script: str, folder: Path, **variables: str) -> str:
    command = ["bash", "-euo", "pipefail", "-c", script]
    done = subprocess.run(command, cwd=folder, env={**os.environ, **variables}, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def answers_in(said: str) -> list[Any]:
    """The JSON that is no event's; one may follow the other on a line."""
    text = "".join(line for line in said.splitlines() if line.startswith("{"))
    answers = []
    while text:
        answer, end = json.JSONDecoder().raw_decode(text)
        answers.append(answer)
        text = text[end:]
    return answers


@pytest.mark.django_db(transaction=True)
def test_a_conversation_with_curl(served: str, user: User, scripted: Served, tmp_path: Path) -> None:
    scripted_provider(user, scripted, name="Mine")
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)
    script = "\necho\n".join(blocks).replace("http://127.0.0.1:8000", served)
    assert served in script
    with running() as runner, doing_what_is_due(runner):
        said = typed(script, tmp_path, TOKEN=create_api_token(user=user, name="test"))
    kinds = re.findall(r"^event: (.*)$", said, re.MULTILINE)
    assert (kinds[0], kinds[-1]) == ("run.started", "run.ended")
    assert "text.delta" in kinds
    run, found, renamed = answers_in(said)
    assert (run["status"], run["answer"]) == ("succeeded", "You said: Hello there")
    assert found["count"] == 1
    assert (renamed["title"], renamed["pinned"]) == ("Greetings", True)
    assert json.loads((tmp_path / "greetings.json").read_text())["runs"][0]["answer"] == "You said: Hello there"
    assert (tmp_path / "greetings.md").read_text().startswith("# Greetings\n")
    assert not Conversation.objects.exists()


def test_the_example_of_an_event_is_one() -> None:
    found = re.search(r"^id: (\d+)\nevent: (\S+)\ndata: (.*)$", DOCUMENT, re.MULTILINE)
    assert found is not None
    told = json.loads(found[3])
    assert (str(told["seq"]), told["kind"], set(told)) == (found[1], found[2], {"seq", "kind", "data", "at"})
