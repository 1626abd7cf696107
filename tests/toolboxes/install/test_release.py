"""The release itself: made once, the same each time, and served to anyone."""

from __future__ import annotations

import hashlib
import json
import os
import ssl
import subprocess
import sys
import tarfile
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from pytest_django import Settings

from tests.dtma.agent import ROOT
from tests.toolboxes.install.control import Shop
from toolboxes.release import Release, current_release

MAKE = [sys.executable, "manage.py", "build_dtma_release"]
MOST_BYTES = 40_000_000


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where three processes at once have made a release."""
    home = tmp_path_factory.mktemp("made")
    environment = {**os.environ, "AGENTOPIA_HOME": str(home)}
    makers = [subprocess.Popen(MAKE, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [maker.communicate(timeout=150)[0] for maker in makers]
    assert [maker.returncode for maker in makers] == [0, 0, 0]
    assert len(set(said)) == 1
    return home / "release"


def test_several_processes_make_one_release(made: Path) -> None:
    assert sorted(path.suffix for path in made.iterdir() if path.name != ".lock") == [".gz", ".json"]


def test_nothing_in_it_names_this_machine(made: Path) -> None:
    (file,) = made.glob("*.tar.gz")
    assert hashlib.sha256(file.read_bytes()).hexdigest() == file.name.partition(".")[0]
    assert file.stat().st_size < MOST_BYTES
    ours, base = f"{ROOT}/".encode(), f"{sys.base_prefix}/lib\0".encode()
    with tarfile.open(file) as archive:
        for member in archive:
            assert (member.uid, member.uname, member.mode & 0o022) == (0, "root", 0)
            content = archive.extractfile(member) if member.isfile() else None
            text = content.read() if content else b""
            assert ours not in text, member.name
            assert base not in text, member.name


def test_made_again_it_is_the_same_whatever_was_left_behind(made: Path, tmp_path: Path, settings: Settings) -> None:
    settings.HOME = tmp_path
    left = tmp_path / "release" / ".unfinished-x"  # by a maker that was killed
    left.mkdir(parents=True)
    (left / "tree").write_text("half")
    release = current_release()
    assert not left.exists()
    assert [release.file.name] == [path.name for path in made.glob("*.tar.gz")]


def test_the_intake_serves_it_whole_and_in_parts(shop: Shop) -> None:
    release = Release.model_validate_json(get(shop, "/dtma/v1/release"))
    whole = get(shop, release.path)
    assert hashlib.sha256(whole).hexdigest() == release.sha256
    assert get(shop, release.path, Range="bytes=1000-1999") == whole[1000:2000]
    for path in ("/dtma/v1/release/" + "0" * 64 + ".tar.gz", "/dtma/v1/release/../../../etc/passwd"):
        with pytest.raises(urllib.error.HTTPError) as refused:
            get(shop, path)
        with refused.value as answer:
            assert answer.code == 404
            assert json.load(answer)["code"] == "invalid"


def get(shop: Shop, path: str, **headers: str) -> bytes:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(urllib.request.Request(shop.intake_url + path, headers=headers), context=context) as response:
        return bytes(response.read())
