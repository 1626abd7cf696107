"""What ``--faults`` takes."""

from __future__ import annotations

import pytest

from bench.tasking.modes import USUAL, modes


def test_usual_modes_are_those_of_model_and_server() -> None:
    usual = modes("usual")
    assert [mode.name for mode in usual] == list(USUAL)
    assert {name for mode in usual for name in mode.server} == {"server_crash", "slow_tool"}
    assert modes("none") == []
    assert len(modes("all")) == len({mode.name for mode in modes("all")}) > len(USUAL)


def test_faults_that_occur_together_and_short_names() -> None:
    (mode, other) = modes("429+crash, http_500:2@1")
    assert (mode.name, mode.model, mode.server) == ("http_429+server_crash", "http_429", {"server_crash"})
    assert other.model == "http_500:2@1"


def test_an_unknown_fault_ends_it() -> None:
    with pytest.raises(SystemExit, match="unknown fault 'nothing_such'"):
        modes("nothing_such")
