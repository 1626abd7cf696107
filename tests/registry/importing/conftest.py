"""A registry that these tests can ask, though it is at an address of the loopback."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_django import Settings

from mcp_registry.importing import rounds
from mcp_registry.models import Registry
from tests.doubles.mcp_registry import RegistryDouble


@pytest.fixture
def double() -> Iterator[RegistryDouble]:
    double = RegistryDouble().start()
    yield double
    double.stop()


@pytest.fixture
def registry(db: None, double: RegistryDouble, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The double, as an admin has added it."""
    settings.PRIVATE_REGISTRIES = [double.host]
    monkeypatch.setattr(rounds, "LONGEST_PAUSE", 0.01)
    return Registry.objects.create(name="Example", url=double.url)
