"""The catalogue, the servers deployed from it, their deployments, their tools, and what was found to be other than desired."""

from mcp_registry.models.catalog import CatalogEntry
from mcp_registry.models.deployments import Deployment, DeploymentStep
from mcp_registry.models.drift import Drift
from mcp_registry.models.servers import McpServer
from mcp_registry.models.strays import Stray
from mcp_registry.models.tools import Tool

__all__ = ["CatalogEntry", "Deployment", "DeploymentStep", "Drift", "McpServer", "Stray", "Tool"]
