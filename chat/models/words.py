"""What conversations are searched by."""

from __future__ import annotations

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from chat.models.conversations import Conversation, Run


class Words(models.Model):
    """The words of one run's message and answer. A trigger of the database writes it with them; a run that was superseded has none.

    It is no column of the run: that is written often while it goes on, and each time all indexes of its table with it. A search looks at
    the words of one user alone, however many others there are: rare words are found by the one index, common ones by going through all
    that the owner's index names.
    """

    run = models.OneToOneField(Run, on_delete=models.CASCADE, primary_key=True, related_name="words")
    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="words")
    owner = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    words = SearchVectorField(editable=False)

    class Meta:
        indexes = (GinIndex(fields=("owner", "words"), name="words_of_owner"),)

    def __str__(self) -> str:
        return str(self.run_id)
