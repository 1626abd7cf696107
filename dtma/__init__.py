"""DTMA, the host agent: it runs MCP servers as isolated containers on the Docker engine of its host.

It imports nothing of the control plane but ``dtma_wire``.
"""

__version__ = "0.1.0"
