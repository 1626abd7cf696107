"""Deadlocks: of two transactions that wait for each other PostgreSQL ends one, which has done nothing then and may simply be done again."""

from __future__ import annotations

from django.db import OperationalError, connection
from psycopg.errors import DeadlockDetected
from tenacity import retry, retry_if_exception, stop_after_attempt, wait_random


def _may_be_done_again(error: BaseException) -> bool:
    """Not inside of another transaction, all of which was ended with it."""
    return isinstance(error, OperationalError) and isinstance(error.__cause__, DeadlockDetected) and not connection.in_atomic_block


over_deadlocks = retry(retry=retry_if_exception(_may_be_done_again), stop=stop_after_attempt(5), wait=wait_random(0, 0.05), reraise=True)
"""For a function that is one transaction: it is done again, a few times, where it was ended for a deadlock."""
