"""The machine that Agentopia itself runs on."""

from toolboxes.providers.this_machine.provider import THIS_MACHINE

__all__ = ["THIS_MACHINE"]
