"""A small image of the tests' servers: Python and little else, so that an engine takes it in a second."""

from __future__ import annotations

import asyncio
import io
import subprocess
import tarfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dtma.builds import Builder
from dtma.engine import Engine
from dtma.isolation.container import USER_ID
from dtma.labels import LABEL_INIT
from tests.dtma.agent import ENGINE_URL, ROOT

SCRIPTS = (ROOT / "tests" / "dtma" / "servers", ROOT / "tests" / "hosts" / "servers")
# Python with its standard library but for what servers of tests never import, and the libraries that all this needs.
COLLECT = """
set -e
python=$(readlink -f /usr/bin/python3) && name=$(basename "$python")
cd / && find "usr/lib/$name" -type f \
  ! -path '*/idlelib/*' ! -path '*/lib2to3/*' ! -path '*/pydoc_data/*' ! -path '*/ensurepip/*' ! -path '*/distutils/*' \
  ! -path '*/unittest/*' ! -path '*/config-*' ! -name '_codecs_*' ! -name '_test*' ! -name '_curses*' ! -name '_dbm*' \
  ! -name '_ssl*' ! -name '_hashlib*' ! -name '_sqlite3*' ! -name 'readline*' >/tmp/files
linked=$(ldd "$python" /usr/bin/tini $(grep '[.]so$' /tmp/files | sed 's|^|/|') | grep -o '/[^ :]*[.]so[^ :]*')
libraries=$(echo "$linked" | grep -v dynload | sort -u)
tar --create --dereference --files-from /tmp/files ${python#/} usr/bin/python3 usr/bin/tini $(echo "$libraries" | sed 's|^/||')
"""
CHANGES = (
    f"USER {USER_ID}:{USER_ID}",
    "WORKDIR /tmp",
    "ENV HOME=/tmp PATH=/usr/bin PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1",
    f"LABEL {LABEL_INIT}=tini",
    'ENTRYPOINT ["/usr/bin/tini", "--"]',
)


@contextmanager
def small_image(folder: Path) -> Iterator[str]:
    """The image's tag on the machine's own engine, for as long as the block lasts. ``folder`` is for the builder's notes."""
    tag = f"agentopia-test/small:{uuid.uuid4().hex[:12]}"
    changes = [part for change in CHANGES for part in ("--change", change)]
    _docker("import", *changes, "-", tag, stdin=_with_scripts(_python(asyncio.run(_base(folder)))))
    try:
        yield tag
    finally:
        _docker("rmi", "--force", tag)


async def _base(folder: Path) -> str:
    engine = Engine(ENGINE_URL)
    try:
        return (await Builder(engine, folder).base("python", lambda detail, fraction: None)).reference
    finally:
        await engine.close()


def _python(base: str) -> bytes:
    """An archive of Python out of the base image."""
    return _docker("run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "sh", base, "-c", COLLECT)


def _with_scripts(archive: bytes) -> bytes:
    file = io.BytesIO(archive)
    with tarfile.open(fileobj=file, mode="a") as tar:
        for name in ("tmp", "data"):
            directory = tarfile.TarInfo(name)
            directory.type, directory.mode = tarfile.DIRTYPE, 0o1777
            tar.addfile(directory)
        for path in (path for folder in SCRIPTS for path in sorted(folder.glob("*.py"))):
            tar.add(path, f"srv/{path.name}")
    return file.getvalue()


def _docker(*arguments: str, stdin: bytes | None = None) -> bytes:
    done = subprocess.run(["docker", "--host", ENGINE_URL, *arguments], input=stdin, capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout
