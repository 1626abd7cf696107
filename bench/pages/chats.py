"""Thousands of conversations for the pages to show and to search, one of them long; made by PostgreSQL itself."""

from __future__ import annotations

from typing import Any

from django.db import connection

from agents.models import Agent
from chat.models import Conversation, Run, Step

CONVERSATIONS, RUNS = 5_000, 4
LONG_RUNS, STEPS = 100, 5
SEARCHES = (
    "topic4711",
    "part7",
    "please",
    "tell me about",
    "word17",
    "item5",
    "term12",
    "plea tel",
    "te",
    "please word4",
    "nothing-at-all",
)

_CONVERSATIONS = """
INSERT INTO chat_conversation (id, owner_id, agent_id, agent_name, title, is_renamed, summary, summarised_to, created_at, updated_at)
SELECT gen_random_uuid(), %(owner)s, %(agent)s, 'Agent', 'Conversation about topic' || n || ' and part' || n %% 50, false, '', 0,
    now(), now() - n * interval '1 minute'
FROM generate_series(1, %(count)s) n
"""
_RUNS = """
INSERT INTO chat_run (id, conversation_id, number, text, answer, is_superseded, status, error_code, error_message, messages, model,
    requests, input_tokens, output_tokens, not_before, attempts, created_at, started_at, ended_at)
SELECT gen_random_uuid(), c.id, n, 'Please tell me about word' || (random() * 5000)::int || ' ' || said.words,
    said.words || ' item' || (random() * 100)::int, false, 'succeeded', '', '', '[]', 'model', 2, 900, 90, now(), 1, now(), now(), now()
FROM chat_conversation c, generate_series(%(first)s, %(last)s) n, LATERAL (
    SELECT string_agg('term' || (random() * 20000)::int, ' ') words FROM generate_series(1, 60) WHERE c.id IS NOT NULL AND n > 0
) said
WHERE c.owner_id = %(owner)s AND (%(only)s::uuid IS NULL OR c.id = %(only)s)
"""


def make_chats(agent: Agent) -> dict[str, Any]:
    """Conversations with an agent; returns what the addresses of their pages are made of."""
    owner = {"owner": agent.owner_id}
    with connection.cursor() as cursor:
        cursor.execute(_CONVERSATIONS, {**owner, "agent": agent.pk, "count": CONVERSATIONS})
        cursor.execute(_RUNS, {**owner, "first": 1, "last": RUNS, "only": None})
        longest = Conversation.objects.filter(owner=agent.owner).earliest("created_at", "pk")
        cursor.execute(_RUNS, {**owner, "first": RUNS + 1, "last": LONG_RUNS, "only": longest.pk})
    runs = list(longest.runs.order_by("number"))
    Step.objects.bulk_create(_step(run, number) for run in runs for number in range(1, STEPS + 1))
    last = Step.objects.filter(run=runs[-1]).earliest("number")
    return {"conversation_id": longest.pk, "run_id": runs[-1].pk, "step_id": last.pk}


def _step(run: Run, number: int) -> Step:
    rows = [{"name": f"row {place}", "size": place} for place in range(10)]
    result = {"content": [{"type": "text", "text": "word " * 200}], "structuredContent": {"rows": rows}}
    return Step(
        run=run, number=number, round=1, tool_call_id=f"c{number}", name="server__tool", server_name="server", tool_name="tool",
        arguments={"path": "/data/file", "number": number}, status="succeeded", result=result,
        started_at=run.created_at, ended_at=run.created_at,
    )  # fmt: skip
