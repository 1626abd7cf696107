from django.apps import AppConfig

from agentopia.lib import palette


class ToolboxesConfig(AppConfig):
    name = "toolboxes"
    verbose_name = "Toolboxes"

    def ready(self) -> None:
        """The command palette finds toolboxes."""
        from toolboxes.found import found_toolboxes  # noqa: PLC0415 (models can be imported from here on)

        palette.sources.append(found_toolboxes)
