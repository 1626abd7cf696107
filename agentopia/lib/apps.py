from django.apps import AppConfig


class LibConfig(AppConfig):
    name = "agentopia.lib"
    label = "lib"
