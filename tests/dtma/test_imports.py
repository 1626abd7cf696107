"""The host agent stays small: what it must never load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.dtma.agent import ROOT

CONTROL_PLANE = {"django", "mcp", "mcp_types", "httpx2", "docker", "requests"}
HEAVY = {
    "aiohttp.web",
    "anyio._backends._asyncio",
    "click",
    "cryptography",
    "frozenlist._frozenlist",
    "httpx",
    "jsonschema",
    "logging.config",
    "multiprocessing",
    "orjson",
    "pickle",
    "pydantic.v1",
    "pytest",
    "setuptools",
    "sqlite3",
    "unittest",
    "uvicorn.main",
    "websockets",
    "xml.etree.ElementTree",
    "zipfile",
}
"""Libraries that cost a process of 55 MB a megabyte or more, and that one import too many would bring back."""


def loaded_with(package: str) -> set[str]:
    """All modules of a new process that imports a package."""
    program = f"import sys, {package}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert package in loaded
    return set(loaded)


@pytest.mark.parametrize("package", ["dtma.__main__", "dtma_client"])
def test_nothing_of_the_control_plane_nor_the_sdk_is_loaded(package: str) -> None:
    assert CONTROL_PLANE.isdisjoint(loaded_with(package))


def test_nothing_heavy_is_loaded() -> None:
    assert HEAVY.isdisjoint(loaded_with("dtma.__main__"))


def test_no_certificate_authority_is_loaded_before_it_is_needed() -> None:
    program = """
import gc, ssl, dtma.__main__
print(*(len(one.get_ca_certs()) for one in gc.get_objects() if isinstance(one, ssl.SSLContext) and one.verify_mode is ssl.CERT_REQUIRED))
"""
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert set(loaded) == {"0"}
