from django.apps import AppConfig


class ToolboxesConfig(AppConfig):
    name = "toolboxes"
    verbose_name = "Toolboxes"
