"""After a run: the older turns of its conversation in short, so that the next one has room."""

from __future__ import annotations

import logging

from django.db import DatabaseError, InterfaceError, transaction

from chat.context.summarising import summarise
from chat.models import Conversation, Run
from chat.providers.models import model_of
from chat.providers.windows import window_of
from chat.running.database import in_database
from chat.running.doing import Doing
from chat.running.using import Used, book, counted

logger = logging.getLogger(__name__)


async def remember(doing: Doing) -> None:
    """Bring the conversation's summary up to date; what that takes is the run's. Nothing waits for it, and it may fail."""
    try:
        window = await in_database(window_of, doing.use)
        done = await summarise(doing.run.conversation, model_of(doing.use), window)
        if done.usage.input_tokens or done.usage.output_tokens:
            await in_database(add, counted(doing.run, doing.use, done.usage))
    except (DatabaseError, InterfaceError, Conversation.DoesNotExist) as error:
        logger.warning("The conversation of the run %s is not summarised: %s", doing.run.pk, error)


@transaction.atomic
def add(used: Used) -> None:
    """Book it though nobody holds the run any more, and it may be gone."""
    Run.objects.select_for_update(no_key=True).filter(pk=used.run.pk).values("pk").first()
    book(used)
