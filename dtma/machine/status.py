"""What a person asks first."""

from __future__ import annotations

import asyncio

from dtma import __version__
from dtma.config import Config, load_config
from dtma.engine import Engine
from dtma.machine.answering import answers
from dtma.machine.places import HOME, Problem, running, used
from dtma.machine.services import service


def status() -> None:
    """Say it; raises `Problem` unless DTMA runs and answers."""
    config, here = load_config(HOME), service()
    runs, answering = here.runs(), answers(config)
    engine = asyncio.run(_engine_answers(config))
    print(f"DTMA           {__version__}, {'runs' if runs else 'does not run'} ({(running() or used()).name})")
    print(f"Toolbox        {config.toolbox}, port {config.port} {'answers' if answering else 'does not answer'}")
    print(f"Control plane  {config.control_url or 'none'}")
    print(f"Docker         {'answers' if engine else 'does not answer: see `docker info`'}")
    print(f"Log            {here.log}")
    if not (runs and answering):
        raise Problem(f"DTMA does not answer. See `{here.log}`.")


async def _engine_answers(config: Config) -> bool:
    engine = Engine(config.engine_url)
    try:
        return await engine.answers()
    finally:
        await engine.close()
