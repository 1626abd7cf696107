"""From the source of a server to an image on the engine."""

from dtma.builds.builder import Builder

__all__ = ["Builder"]
