"""Which images may go, in every combination that matters."""

from __future__ import annotations

import itertools

import pytest

from dtma.builds.collecting import Candidate, Plan, plan

NOW = 1_000_000.0
DAY = 86_400.0
FRESH = 900.0


def image(name: str, days: float, *, base: str = "", superseded: bool = False) -> Candidate:
    return Candidate(name, (f"{name}:1",), NOW - days * DAY, base, superseded)


def decide(*candidates: Candidate, needed: tuple[str, ...] = (), ready: tuple[str, ...] = (), days: float = 7) -> Plan:
    return plan(candidates, needed=needed, ready=ready, now=NOW, max_age=days * DAY, fresh=FRESH)


def ids(candidates: tuple[Candidate, ...]) -> list[str]:
    return [candidate.id for candidate in candidates]


@pytest.mark.parametrize(
    ("days", "needed", "superseded", "outcome"),
    [
        (days, needed, superseded, outcome)
        for (days, superseded, needed), outcome in {
            (0, False, False): "stays",
            (1, False, False): "spare",
            (7, False, False): "spare",
            (8, False, False): "expired",
            (0, True, False): "expired",
            (1, True, False): "expired",
            (8, True, False): "expired",
            **{(days, superseded, True): "stays" for days, superseded in itertools.product((0, 1, 7, 8), (False, True))},
        }.items()
    ],
)
def test_one_image(days: float, needed: bool, superseded: bool, outcome: str) -> None:
    chosen = decide(image("a", days, superseded=superseded), needed=("a",) if needed else ())
    assert (ids(chosen.expired), ids(chosen.spare)) == (["a"] if outcome == "expired" else [], ["a"] if outcome == "spare" else [])


def test_the_oldest_goes_first() -> None:
    chosen = decide(image("c", 1), image("a", 3), image("b", 2), image("z", 9), image("y", 8))
    assert (ids(chosen.expired), ids(chosen.spare)) == (["z", "y"], ["a", "b", "c"])


def test_of_the_same_age_the_order_is_always_the_same() -> None:
    same = [image(name, 2) for name in "abc"]
    for order in itertools.permutations(same):
        assert ids(decide(*order).spare) == ["a", "b", "c"]


def test_an_image_keeps_what_it_stands_on() -> None:
    tower = (image("server", 8, base="base"), image("base", 8, base="runtime"), image("runtime", 8))
    for order in itertools.permutations(tower):
        assert decide(*order, needed=("server",)) == Plan((), ())
        assert ids(decide(*order).expired) == ["server", "base", "runtime"]
        assert ids(decide(*order, days=9).spare) == ["server", "base", "runtime"]
    # One that only just was used may be what is being built on, or stand on what is.
    assert decide(image("server", 0, base="base"), image("base", 8)) == Plan((), ())


def test_a_base_goes_only_after_all_that_stands_on_it() -> None:
    chosen = decide(image("old", 9, base="base"), image("young", 1, base="base"), image("base", 9))
    assert (ids(chosen.expired), ids(chosen.spare)) == (["old"], ["young", "base"])
    chosen = decide(image("old", 9, base="base"), image("used", 9, base="base"), image("base", 9), needed=("used",))
    assert (ids(chosen.expired), ids(chosen.spare)) == (["old"], [])


def test_a_base_that_is_ready_goes_only_when_the_disk_is_full() -> None:
    chosen = decide(image("base", 30), image("other", 30), ready=("base",))
    assert (ids(chosen.expired), ids(chosen.spare)) == (["other"], ["base"])


def test_ids_that_are_no_candidates_change_nothing() -> None:
    chosen = decide(image("a", 8, base="somebody's"), needed=("unknown",), ready=("unknown",))
    assert ids(chosen.expired) == ["a"]


def test_whatever_the_combination_nothing_needed_goes_and_no_base_before_its_image() -> None:
    ages = (0, 1, 8)
    for server, base, needs_server, needs_base, ready in itertools.product(ages, ages, *[(False, True)] * 3):
        candidates = (image("server", server, base="base"), image("base", base))
        needed = (("server",) if needs_server else ()) + (("base",) if needs_base else ())
        chosen = decide(*candidates, needed=needed, ready=("base",) if ready else ())
        going = ids(chosen.expired) + ids(chosen.spare)
        assert not set(needed) & set(going)
        assert len(going) == len(set(going))
        if "base" in going:
            assert "server" in going[: going.index("base")]
        if ready:
            assert "base" not in ids(chosen.expired)
