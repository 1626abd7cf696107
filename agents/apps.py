from django.apps import AppConfig

from agentopia.lib import live, palette


class AgentsConfig(AppConfig):
    name = "agents"
    verbose_name = "Agents and tool calls"

    def ready(self) -> None:
        """Every page tells how many calls wait; what changes agents' tools is heard of; and the command palette finds agents."""
        from agents.found import found_agents  # noqa: PLC0415 (models can be imported from here on)
        from agents.templatetags.calls import rendered_count  # noqa: PLC0415 (needs loaded apps)
        from agents.toolsets import hooks  # noqa: PLC0415

        live.everywhere.append(rendered_count)
        hooks.connect()
        palette.sources.append(found_agents)
