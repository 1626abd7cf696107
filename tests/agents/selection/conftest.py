from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agents.embedding import weights
from agents.embedding.reading import Reader
from agents.selection import memory
from deploy.weights import ensure_weights


@pytest.fixture(scope="session")
def model() -> Reader:
    """The real one, fetched where `make test` has not done so."""
    ensure_weights(Path(sys.prefix), Path(sys.executable))
    found = weights.reader()
    assert found is not None
    return found


@pytest.fixture(autouse=True)
def nothing_indexed() -> Iterator[None]:
    memory.forget()
    yield
    memory.forget()


@pytest.fixture
def without_model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As where the weights could not be fetched."""
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
