from django.apps import AppConfig


class McpRegistryConfig(AppConfig):
    name = "mcp_registry"
    verbose_name = "MCP registry"
