"""The fixtures of hosts, for the tests of the hosts themselves."""

from __future__ import annotations

from tests.hosts.fixtures import network, small

__all__ = ["network", "small"]
