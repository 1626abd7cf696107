from django.apps import AppConfig

from agentopia.lib import palette
from agentopia.lib.palette_pages import found_places


class LibConfig(AppConfig):
    name = "agentopia.lib"
    label = "lib"

    def ready(self) -> None:
        palette.sources.append(found_places)
