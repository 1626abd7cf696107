"""The host agent stays small: what it must never load."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.dtma.agent import ROOT


@pytest.mark.parametrize("package", ["dtma.__main__", "dtma_client"])
def test_nothing_of_the_control_plane_nor_the_sdk_is_loaded(package: str) -> None:
    program = f"import sys, {package}; print(*sorted({{name.partition('.')[0] for name in sys.modules}}))"
    loaded = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    assert package.partition(".")[0] in loaded
    assert {"django", "mcp", "mcp_types", "httpx2", "docker", "requests"}.isdisjoint(loaded)
