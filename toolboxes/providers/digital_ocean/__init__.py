"""Droplets at DigitalOcean, made with the user's own account."""

from toolboxes.providers.digital_ocean.provider import DIGITAL_OCEAN

__all__ = ["DIGITAL_OCEAN"]
