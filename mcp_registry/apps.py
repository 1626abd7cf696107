from django.apps import AppConfig

from agentopia.lib import palette


class McpRegistryConfig(AppConfig):
    name = "mcp_registry"
    verbose_name = "MCP registry"

    def ready(self) -> None:
        """Toolboxes know nothing of servers, so the removal of one is told what to do with them; and the command palette finds servers."""
        from mcp_registry.found import found_entries, found_servers, found_tools  # noqa: PLC0415 (as below)
        from mcp_registry.services.removal import remove_servers_of  # noqa: PLC0415 (models can be imported from here on)
        from toolboxes.services.jobs import before_removal  # noqa: PLC0415

        before_removal.append(remove_servers_of)
        palette.sources.extend((found_servers, found_tools, found_entries))
