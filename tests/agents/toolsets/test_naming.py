"""The names of tools: short, of plain characters, all different, and the same whoever asks in whatever order."""

from __future__ import annotations

import random
import re

from agents.naming import LONGEST, Pair, exposed_names

PLAIN = re.compile(r"[a-zA-Z0-9_-]{1,64}")
ODD: list[Pair] = [
    ("files", "read"), ("files", "read__all"), ("files", "_read"), ("files", ""), ("files", "read file"), ("files", "read.file"),
    ("files", "read/file"), ("files", "lire_é"), ("files", "读"), ("files", "讀"), ("files", "x" * 200), ("files", "x" * 201),
    ("files", "\ud800"),
    ("a", "b"), ("a--b", "c"), ("s" * 63, "t"), ("s" * 63, "u"), ("s" * 62 + "t", "t"), ("s" * 60, "tool"),
    ("s" * 30, "t" * 32), ("s" * 30, "t" * 33),
]  # fmt: skip


def test_natural_names_where_they_fit() -> None:
    assert exposed_names([("files", "read"), ("my-notes", "read_it")]) == {
        ("files", "read"): "files__read",
        ("my-notes", "read_it"): "my-notes__read_it",
    }
    assert exposed_names([("s" * 30, "t" * 32)]) == {("s" * 30, "t" * 32): "s" * 30 + "__" + "t" * 32}


def test_every_name_is_plain_short_and_its_own() -> None:
    names = exposed_names(ODD)
    assert set(names) == set(ODD)
    assert len(set(names.values())) == len(ODD)
    assert all(PLAIN.fullmatch(name) and len(name) <= LONGEST for name in names.values())
    assert all(name.startswith("files__") for (server, _), name in names.items() if server == "files")


def test_order_and_company_do_not_matter() -> None:
    alone = {pair: exposed_names([pair])[pair] for pair in ODD}
    shuffled = random.Random(4).sample(ODD, len(ODD))  # noqa: S311 (no secret)
    assert exposed_names(shuffled) == exposed_names([*ODD, *ODD]) == alone


def test_who_takes_a_hashed_name_on_purpose_does_not_get_it_twice() -> None:
    hashed = exposed_names([("files", "read file")])["files", "read file"]
    thief = ("files", hashed.removeprefix("files__"))
    names = exposed_names([("files", "read file"), thief])
    assert names[thief] == hashed, "a natural name is always what it is"
    assert names["files", "read file"] != hashed
    assert names == exposed_names([thief, ("files", "read file")])


def test_ten_thousand_at_once() -> None:
    pairs = [(f"server-{number % 50}", f"tool {number}") for number in range(10_000)]
    assert len(set(exposed_names(pairs).values())) == 10_000
