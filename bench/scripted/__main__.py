"""``python -m bench.scripted``: the model on a port, until Ctrl-C."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import uvicorn

from bench.scripted.endpoint import Endpoint


def main() -> None:
    options = argparse.ArgumentParser(description="A scripted OpenAI-compatible model.")
    options.add_argument("--tasks", nargs="+", type=Path, default=[], help="files of tasks (JSON lists)")
    options.add_argument("--host", default="127.0.0.1")
    options.add_argument("--port", type=int, default=8099)
    chosen = options.parse_args()
    tasks = [task for path in chosen.tasks for task in json.loads(path.read_text())]
    uvicorn.run(Endpoint(tasks).app(), host=chosen.host, port=chosen.port, log_level="warning", ws="none")


if __name__ == "__main__":
    main()
