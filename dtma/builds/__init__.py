"""From the source of a server to an image on the engine, and what becomes of images that nobody uses any more."""

from dtma.builds.builder import Builder
from dtma.builds.collector import Collector, Limits
from dtma.builds.ledger import Ledger

__all__ = ["Builder", "Collector", "Ledger", "Limits"]
