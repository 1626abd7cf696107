"""What `make model` leaves in an AGENTOPIA_HOME, and `make run` finds there."""

import json
from dataclasses import dataclass
from pathlib import Path

from deploy.model import parts


@dataclass(frozen=True)
class Installed:
    """What `make run` needs to know of it."""

    image: str

    @classmethod
    def of(cls, folder: Path) -> "Installed | None":
        try:
            return cls(**json.loads((folder / "installed.json").read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return None


def folder_of(home: Path) -> Path:
    """Where it is kept, in an AGENTOPIA_HOME."""
    return home / "model"


def file_of(folder: Path) -> Path:
    return folder / f"{parts.NAME}.gguf"
