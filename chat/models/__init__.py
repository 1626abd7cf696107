"""What the chat keeps: who provides models and what of them was used, conversations, the runs in them, and every step of a run."""

from chat.models.conversations import Attachment, Conversation, Run
from chat.models.policy import ConversationPolicy
from chat.models.providers import ModelChoice, ModelProvider
from chat.models.steps import Question, RunEvent, Step
from chat.models.usage import ModelUsage
from chat.models.words import Words

__all__ = [
    "Attachment",
    "Conversation",
    "ConversationPolicy",
    "ModelChoice",
    "ModelProvider",
    "ModelUsage",
    "Question",
    "Run",
    "RunEvent",
    "Step",
    "Words",
]
