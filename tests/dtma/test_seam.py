"""Lines of the engine's log between those that were logged before DTMA went away and those that arrived afterwards."""

from __future__ import annotations

from dtma.observing.seam import Line, between

LAG = 3


def engine(*texts: str, every: int = 100, first: int = 0) -> list[Line]:
    """One line every so many microseconds."""
    return [Line(first + every * number, text) for number, text in enumerate(texts)]


def seen(lines: list[Line]) -> list[Line]:
    """As they arrive at DTMA."""
    return [Line(line.at + LAG, line.text) for line in lines]


def test_what_is_between_is_found() -> None:
    printed = engine(*"abcdefgh")
    assert between(seen(printed[:3]), printed, seen(printed[6:]), 550) == printed[3:6]
    assert between(seen(printed[:3]), printed, [], 900) == printed[3:]
    assert between([], printed, seen(printed[6:]), 550) == printed[:6]
    assert between(seen(printed), printed, [], 900) == []


def test_repeated_lines_are_told_apart() -> None:
    printed = engine(*["tick"] * 50)
    for end in (1, 7, 20):
        for begin in (end, 30, 50):
            held = seen(printed[begin:])
            assert between(seen(printed[:end]), printed, held, begin * 100 - 40) == printed[end:begin]


def test_a_burst_of_the_same_line_hangs_on_what_was_before_it() -> None:
    # All at one time, so that only the order tells.
    printed = engine("start", *["tick"] * 40, every=0)
    assert between(seen(printed[:11]), printed, [], 900) == printed[11:]


def test_the_log_before_may_go_further_back_than_the_engine() -> None:
    printed = engine(*"cdefg", first=500)
    known = [Line(at, text) for at, text in enumerate("xyabc")] + seen(printed[1:2])
    assert between(known, printed, [], 2000) == printed[2:]
    assert between([Line(1, "of an earlier container")], printed, [], 2000) == printed


def test_where_no_order_is_to_be_found_time_tells() -> None:
    printed = engine(*"abcdef")
    known = [*seen(printed[:2]), Line(150, "of another container"), *seen(printed[2:3])]
    assert between(known, printed, [], 900) == printed[3:]


def test_lines_that_came_after_the_engine_was_read_do_not_matter() -> None:
    printed = engine(*"abcd")
    held = seen([*printed[2:], Line(450, "later")])
    assert between(seen(printed[:1]), printed, held, 150) == printed[1:2]
