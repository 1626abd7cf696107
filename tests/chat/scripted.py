"""The scripted model as a real server: ``from tests.chat.scripted import scripted`` gives a test file the fixture.

    def test_it(scripted: Served) -> None:
        scripted.play({"id": "t", "prompt": "Say hello to Ada.", "gold_calls": [
            {"id": "a", "server": "everything", "tool": "echo", "args": {"message": "Ada"}},
        ], "answer": {"$py": "r['a']"}})
        scripted.fail("http_429,disconnect@1")  # once each; see bench/scripted/faults.py
        # a provider of kind "openai" with base_url=scripted.url, any key, and model scripted.model

Without a task it calls what it is told (``call NAME {json}``) and else echoes (``You said: …``). ``scripted.log`` tells what it was asked.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bench.scripted.serving import Served, serving

__all__ = ["Served", "scripted"]


@pytest.fixture
def scripted() -> Iterator[Served]:
    """A model with no tasks and no faults, of this test alone."""
    with serving() as served:
        yield served
