"""`make model`: fetches the embedded model (1.1 GB) and builds what runs it. Run again it only looks whether all is there."""

import asyncio
import json
import os
import sys
from dataclasses import asdict
from pathlib import Path

from deploy.bootstrap import ROOT
from deploy.local.engine import DEFAULT_HOST, ensure_engine
from deploy.local.errors import LaunchError
from deploy.local.images import ensure_base
from deploy.model import parts
from deploy.model.installed import Installed, file_of, folder_of
from deploy.terminal import say
from dtma.builds import Builder
from dtma.engine import Engine
from dtma.errors import Failure
from dtma_wire import NpmPackage

RUNTIME = NpmPackage(name="node-llama-cpp", version="3.22.1")
FREE_BYTES = 4 * 2**30


def install(home: Path) -> None:
    """Raises LaunchError."""
    folder = folder_of(home)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        disk = os.statvfs(folder)
        if parts.is_there(file_of(folder)):
            say("The model is there already")
        else:
            if disk.f_bavail * disk.f_frsize < FREE_BYTES:
                raise LaunchError(f"The model needs {FREE_BYTES >> 30} GB of free disk while it is installed, in {folder}.")
            say("Fetching the model (1.1 GB)")
            parts.fetch(file_of(folder))
        say("Building what runs it (a minute)")
        installed = Installed(asyncio.run(_built(folder)))
        (folder / "installed.json").write_text(json.dumps(asdict(installed)) + "\n")
    except OSError as error:
        raise LaunchError(f"The model could not be installed in {folder}: {error.strerror}.") from error
    say("The embedded model is installed. It takes about 2.5 GB of memory; restart Agentopia (make run) to use it.")


async def _built(folder: Path) -> str:
    """The image with its runtime, built as any MCP server's package is; returns its name."""
    client = ensure_engine()
    ensure_base(client)
    client.close()
    engine = Engine(os.environ.get("DOCKER_HOST") or DEFAULT_HOST)
    try:
        image = await Builder(engine, folder).image(RUNTIME, lambda detail, fraction: None, server="model", generation=1)
    except Failure as failure:
        raise LaunchError(f"What runs the model could not be built: {failure.reason}") from failure
    finally:
        await engine.close()
    return image.reference


def main() -> None:
    try:
        install(Path(os.environ.get("AGENTOPIA_HOME") or ROOT / "var"))
    except LaunchError as error:
        sys.exit(f"The embedded model was not installed: {error}")


if __name__ == "__main__":
    main()
