from django.apps import AppConfig


class ChatConfig(AppConfig):
    name = "chat"
    verbose_name = "Chat"

    def ready(self) -> None:
        """A decision queues the run that waited for it, and the command palette finds conversations."""
        from agentopia.lib import palette  # noqa: PLC0415
        from agents.approvals import deciding  # noqa: PLC0415 (models can be imported from here on)
        from chat.pages.found import found_beginnings, found_conversations  # noqa: PLC0415
        from chat.services.waiting import approval_decided  # noqa: PLC0415

        deciding.listeners.append(approval_decided)
        palette.sources += [found_conversations, found_beginnings]
