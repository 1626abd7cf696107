"""The container engine."""

from dtma.engine.client import Engine, EngineFacts
from dtma.engine.containers import Found
from dtma.engine.failures import EngineRefused
from dtma.engine.images import Image

__all__ = ["Engine", "EngineFacts", "EngineRefused", "Found", "Image"]
