"""The model of this installation, whose weights are no part of the repository: `deploy.weights` fetches them into the environment."""

from __future__ import annotations

import logging
import sys
from functools import lru_cache
from pathlib import Path

from agents.embedding.minilm import MiniLM
from agents.embedding.reading import Reader

MODEL = "all-MiniLM-L6-v2"
FOLDER = Path(sys.prefix) / "share" / "agentopia" / MODEL

log = logging.getLogger(__name__)


@lru_cache(maxsize=1)
def _loaded(folder: Path) -> Reader:
    return Reader(MiniLM(folder))


def reader() -> Reader | None:
    """What reads with the model, loaded once; None where its weights are not installed."""
    if not (FOLDER / "model.safetensors").exists():
        return None
    try:
        return _loaded(FOLDER)
    except (OSError, ValueError, KeyError) as error:
        log.error("The model in %s cannot be read: %s", FOLDER, error)
        return None
