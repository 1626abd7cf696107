"""The catalogue, the servers deployed from it, their deployments, their tools, and what was found to be other than desired."""

from mcp_registry.models.catalog import CatalogEntry, EntryOutcome, EntryVersion, Registry
from mcp_registry.models.deployments import Deployment, DeploymentStep
from mcp_registry.models.drift import Drift
from mcp_registry.models.metrics import ServerMetric, ServerRollUp
from mcp_registry.models.revisions import KeptData, Revision, Specification
from mcp_registry.models.servers import McpServer
from mcp_registry.models.strays import Stray
from mcp_registry.models.tools import Tool
from mcp_registry.models.upgrades import Upgrade

__all__ = [
    "CatalogEntry",
    "Deployment",
    "DeploymentStep",
    "Drift",
    "EntryOutcome",
    "EntryVersion",
    "KeptData",
    "McpServer",
    "Registry",
    "Revision",
    "ServerMetric",
    "ServerRollUp",
    "Specification",
    "Stray",
    "Tool",
    "Upgrade",
]
