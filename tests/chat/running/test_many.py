"""Fifty runs at once, in one runner."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from chat.models import Run
from chat.services.conversations import create_conversation
from tests.chat.running.conftest import Place, check_order, until

RUNS = 50


def is_over(place: Place, run: Run) -> bool:
    """Whether it is; one that was handed back, since the database was short of connections, is taken up again."""
    run.refresh_from_db()
    if run.status not in Run.ENDED:
        place.runner.perform(run.pk)
        run.refresh_from_db()
    return run.status in Run.ENDED


def test_fifty_runs_at_once_all_succeed(place: Place) -> None:
    prompts = [f"Task number {number}, please." for number in range(RUNS)]
    tasks = [
        place.task(("echo", {"message": f"m{number}"}), ("add", {"a": number, "b": 1}), answer={"$py": "r['c0'] + r['c1']"}, prompt=prompt)
        for number, prompt in enumerate(prompts)
    ]
    place.model.play(*tasks)
    runs = []
    for prompt in prompts:
        conversation = create_conversation(user=place.user, agent_id=place.agent.pk)
        runs.append(place.send(prompt, conversation))
    with ThreadPoolExecutor(RUNS) as pool:
        list(pool.map(place.runner.perform, [run.pk for run in runs]))
    for number, run in enumerate(runs):
        until(lambda run=run: is_over(place, run), 60)  # type: ignore[misc]
        assert run.status == Run.Status.SUCCEEDED, run.error_message
        assert f"m{number}" in run.answer
        assert str(number + 1) in run.answer
        check_order(run)
    assert place.box.made("echo") == place.box.made("add") == RUNS
