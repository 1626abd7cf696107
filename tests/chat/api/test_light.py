"""What the libraries of models need is for the runner alone: a web process that loaded them would be twice as large and slow to start."""

from __future__ import annotations

import subprocess
import sys

from agentopia.environment import BASE_DIR

LOADED = """
import sys
import agentopia.asgi, agentopia.urls, chat.tasks
print(sorted({"pydantic_ai", "openai", "anthropic", "google.genai"} & set(sys.modules)))
"""


def test_the_web_process_loads_none_of_them() -> None:
    done = subprocess.run([sys.executable, "-c", LOADED], cwd=BASE_DIR, capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"
