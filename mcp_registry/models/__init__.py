"""The catalogue, the servers deployed from it, their deployments and their tools."""

from mcp_registry.models.catalog import CatalogEntry
from mcp_registry.models.deployments import Deployment, DeploymentStep
from mcp_registry.models.servers import McpServer
from mcp_registry.models.tools import Tool

__all__ = ["CatalogEntry", "Deployment", "DeploymentStep", "McpServer", "Tool"]
