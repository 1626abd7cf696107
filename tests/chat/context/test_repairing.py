"""What models get wrong in arguments is put right where it is plain what was meant, and what fits is never touched."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from chat.context.repairing import repaired

TEXT, WHOLE, NUMBER, TRUTH = {"type": "string"}, {"type": "integer"}, {"type": "number"}, {"type": "boolean"}
LIST = {"type": "array", "items": TEXT}


def wants(*required: str, strict: bool = False, **properties: Any) -> dict[str, Any]:
    more = {"additionalProperties": False} if strict else {}
    return {"type": "object", "properties": properties, "required": list(required), **more}


@pytest.mark.parametrize(
    ("schema", "given", "expected"),
    [
        (wants("n", n=WHOLE), {"n": "5"}, {"n": 5}),
        (wants("n", n=WHOLE), {"n": " -12 "}, {"n": -12}),
        (wants("n", n=NUMBER), {"n": "2.5"}, {"n": 2.5}),
        (wants("on", on=TRUTH), {"on": "True"}, {"on": True}),
        (wants("text", text=TEXT), {"text": 7}, {"text": "7"}),
        (wants("text", text=TEXT), {"text": {"a": 1}}, {"text": '{"a": 1}'}),
        (wants("text", text=TEXT), {"text": ["one"]}, {"text": "one"}),
        (wants("paths", paths=LIST), {"paths": "a.txt"}, {"paths": ["a.txt"]}),
        (wants("paths", paths=LIST), {"paths": '["a", "b"]'}, {"paths": ["a", "b"]}),
        (wants("paths", paths=LIST), {"paths": ["a", 2]}, {"paths": ["a", "2"]}),
        (wants("at", at=wants("x", x=WHOLE)), {"at": '{"x": 1}'}, {"at": {"x": 1}}),
        (wants("at", at=wants("x", x=WHOLE)), {"at": {"x": "1"}}, {"at": {"x": 1}}),
        (wants("unit", unit={"enum": ["celsius", "kelvin"]}), {"unit": "Celsius"}, {"unit": "celsius"}),
        (wants("unit", unit={"enum": ["snake_case"]}), {"unit": "snake-case"}, {"unit": "snake_case"}),
        (wants("unit", unit={"enum": [1, 2]}), {"unit": "2"}, {"unit": 2}),
        (wants("file_path", file_path=TEXT), {"filePath": "a"}, {"file_path": "a"}),
        (wants("file_path", file_path=TEXT), {"path": "a"}, {"file_path": "a"}),
        (wants("message", message=TEXT, strict=True), {"mesage": "hi"}, {"message": "hi"}),
        (wants("n", "kind", n=WHOLE, kind={"default": "all"}), {"n": 1}, {"n": 1, "kind": "all"}),
        (wants("kind", kind={"const": "x"}), {}, {"kind": "x"}),
        (wants("kind", kind={"enum": ["only"]}), {}, {"kind": "only"}),
        (wants("n", n=WHOLE, limit=WHOLE), {"n": 1, "limit": None}, {"n": 1}),
        (wants("n", n=WHOLE, strict=True), {"n": 1, "explanation": "because"}, {"n": 1}),
        (wants("n", n=WHOLE), {"arguments": {"n": 1}}, {"n": 1}),
        (wants("n", n=WHOLE), {"arguments": '{"n": 1}'}, {"n": 1}),
        (wants("n", n=WHOLE), [{"n": "1"}], {"n": 1}),
        (wants("query", query=TEXT), "what is new", {"query": "what is new"}),
        (wants("a", "b", a=WHOLE, b=LIST), {"A": "1", "b": "x"}, {"a": 1, "b": ["x"]}),
        ({"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}, "$defs": {"n": WHOLE}}, {"a": "3"}, {"a": 3}),
        (wants("a", a={"anyOf": [WHOLE, {"type": "null"}]}), {"a": "3"}, {"a": 3}),
        (wants("n", n=WHOLE), '```json\n{"n": 1}\n```', {"n": 1}),
        (wants("n", n=WHOLE), '{"n": 1}{"n": 1}', {"n": 1}),
        (wants("n", n=WHOLE), "{'n': 1}", {"n": 1}),
        (wants("n", n=WHOLE), '{"n": 1,}', {"n": 1}),
        (wants("path", "text", path=TEXT, text=TEXT), '{"path": "a", "text": "b"', {"path": "a", "text": "b"}),
    ],
)
def test_what_is_plain_is_put_right_and_said(schema: dict[str, Any], given: Any, expected: Any) -> None:
    before = copy.deepcopy(given)
    found = repaired(given, schema)
    assert found.arguments == expected
    assert found.notes
    assert given == before


@pytest.mark.parametrize(
    ("schema", "given"),
    [
        (wants("n", n=WHOLE), {"n": "five"}),
        (wants("n", n=WHOLE), {"n": 2.5}),
        (wants("n", n=WHOLE), {}),
        (wants("unit", unit={"enum": ["celsius", "kelvin"]}), {"unit": "rankine"}),
        (wants("path", path=TEXT, strict=True), {"path": "a", "recursive": True}),  # it was meant
        (wants("path", "text", path=TEXT, text=TEXT), '{"path": "a", "text": "b'),  # may have lost its end
        (wants("path", path=TEXT, where=TEXT), '{"path": "a", "where": '),  # and so would act on all
        (wants("path", path=TEXT, where=TEXT), '{"path": "a"'),
        (wants("at", at=wants("x", x=TEXT)), '{"at": {"x": "1"'),
        (wants("paths", paths=LIST), '{"paths": ["a"'),  # of perhaps several
        (wants("n", n=WHOLE), '{"n": 12'),  # 12 of perhaps 1200
        (wants("a", a=TEXT), '{"a"'),
        (wants("query", query=TEXT), ""),
        (wants("a", "b", a=TEXT, b=TEXT), {"c": "x"}),
        (wants("a", a={"$ref": "#/nowhere"}), {"a": "3"}),
        ({"type": "nonsense"}, {"a": "3"}),
    ],
)
def test_what_is_not_stays_as_it_was(schema: dict[str, Any], given: Any) -> None:
    found = repaired(given, schema)
    assert (found.arguments, found.notes) == (given, [])


def test_the_last_good_arguments_fill_what_was_forgotten() -> None:
    schema = wants("repo", "title", repo=TEXT, title=TEXT)
    last = {"repo": "ada/engine", "title": "Old"}
    found = repaired({"title": "New"}, schema, last)
    assert found.arguments == {"repo": "ada/engine", "title": "New"}
    assert "taken from the last call" in found.notes[0]
    assert "ada" not in found.notes[0]  # values may be secret
    assert repaired({}, schema, last).arguments == {}  # nothing says that the same is meant
    assert repaired({"title": "New"}, schema, {"repo": "x" * 1000}).arguments == {"title": "New"}


def test_what_a_call_is_about_is_not_taken_from_another_one() -> None:
    schema = wants("path", "content", path=TEXT, content=TEXT)
    assert repaired({"content": "new"}, schema, {"path": "/old", "content": "old"}).notes == []


def test_what_the_schema_says_comes_before_what_was_good_before() -> None:
    schema = wants("a", "db", a=TEXT, db={"type": "string", "default": "schema"})
    assert repaired({"a": "x"}, schema, {"db": "last"}).arguments["db"] == "schema"


def test_a_schema_that_takes_long_is_given_up() -> None:
    deep: dict[str, Any] = {"type": "string"}
    for _ in range(300):
        deep = {"anyOf": [{"type": "object", "properties": {"x": deep}, "required": ["x"]}, {"type": "integer"}]}
    assert repaired({"a": "x"}, wants("a", "b", a=deep, b=TEXT)).notes == []


# --- properties, over random schemas and arguments ---

NAMES = ("path", "file_path", "limit", "query", "unit", "items", "on", "options")


def some_schema(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    makers: list[Callable[[], dict[str, Any]]] = [
        lambda: chance.choice([TEXT, WHOLE, NUMBER, TRUTH]),
        lambda: {"type": "string", "enum": chance.sample(["asc", "desc", "Both", "n-one"], chance.randint(1, 3))},
        lambda: {"type": "array", "items": some_schema(chance, depth + 1)},
        lambda: {"anyOf": [some_schema(chance, depth + 1), {"type": "null"}]},
        lambda: {"const": chance.choice([1, "x", True])},
        lambda: {"type": "integer", "default": 3, "minimum": 0},
        lambda: some_object(chance, depth + 1),
    ]
    return chance.choice(makers[: 3 if depth > 2 else len(makers)])()


def some_object(chance: random.Random, depth: int = 0) -> dict[str, Any]:
    names = chance.sample(NAMES, chance.randint(1, 5))
    required = [name for name in names if chance.random() < 0.5]
    return wants(*required, strict=chance.random() < 0.5, **{name: some_schema(chance, depth) for name in names})


def some_value(chance: random.Random, schema: dict[str, Any]) -> Any:
    """One that fits."""
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return chance.choice(schema["enum"])
    if "anyOf" in schema:
        return some_value(chance, chance.choice(schema["anyOf"]))
    match schema["type"]:
        case "object":
            wanted = {name for name in schema["properties"] if name in schema["required"] or chance.random() < 0.5}
            return {name: some_value(chance, schema["properties"][name]) for name in wanted}
        case "array":
            return [some_value(chance, schema["items"]) for _ in range(chance.randint(0, 3))]
        case "string":
            return chance.choice(["", "5", "true", "a b", '{"x": 1}', "[1]", "é"])
        case "integer":
            return chance.randint(0, 99)
        case "number":
            return chance.choice([1, 2.5])
        case "boolean":
            return chance.random() < 0.5
    return None


def spoilt(chance: random.Random, value: Any) -> Any:
    """The same, as a model may write it, or anything else."""
    if isinstance(value, dict):
        items = {chance.choice([name, name, name, name.title(), f"{name}s"]): spoilt(chance, item) for name, item in value.items()}
        return chance.choice([items, items, json.dumps(items), [items]])
    if isinstance(value, list):
        return chance.choice([[spoilt(chance, item) for item in value], json.dumps(value), value[0] if value else None])
    return chance.choice([value, value, str(value), [value], None, {"value": value}])


@pytest.mark.parametrize("seed", range(4))
def test_what_fits_is_never_changed(seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 (cases for a test)
    for _ in range(250):
        schema = some_object(chance)
        given = some_value(chance, schema)
        assert Draft202012Validator(schema).is_valid(given)
        found = repaired(given, schema, some_value(chance, schema))
        assert found.arguments is given
        assert found.notes == []


@pytest.mark.parametrize("seed", range(4))
def test_what_is_changed_fits_and_the_rest_of_it_stays(seed: int) -> None:
    chance = random.Random(1000 + seed)  # noqa: S311
    mended = 0
    for _ in range(250):
        schema = some_object(chance)
        given = spoilt(chance, some_value(chance, schema))
        before = copy.deepcopy(given)
        found = repaired(given, schema)
        assert given == before
        if not found.notes:
            assert found.arguments is given
            continue
        mended += 1
        assert Draft202012Validator(schema).is_valid(found.arguments)
        if isinstance(given, dict):
            for name, item in given.items():
                sub = schema["properties"].get(name)
                if sub is not None and Draft202012Validator(sub).is_valid(item):
                    assert found.arguments[name] == item
    assert mended > 50
