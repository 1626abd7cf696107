"""A server that the user has already: an install command makes it a toolbox."""

from toolboxes.providers.own_server.provider import OWN_SERVER

__all__ = ["OWN_SERVER"]
