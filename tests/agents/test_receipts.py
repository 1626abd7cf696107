"""What of a call may be written down."""

from __future__ import annotations

import json

from agents.receipts import MASK, STORED_BYTES, masked


def test_passwords_of_the_schema_are_masked_however_deep() -> None:
    login = {"type": "object", "properties": {"password": {"type": "string", "format": "password"}}}
    schema = {"type": "object", "properties": {"login": login, "all": {"type": "array", "items": login}, "pin": {"writeOnly": True}}}
    given = {"login": {"password": "a"}, "all": [{"password": "b"}], "pin": 4711, "name": "c"}
    assert masked(given, schema, ()) == {"login": {"password": MASK}, "all": [{"password": MASK}], "pin": MASK, "name": "c"}


def test_known_secrets_are_masked_wherever_they_stand() -> None:
    result = {"content": [{"type": "text", "text": "token=s3cret-longer s3cret"}], "s3cret": 1}
    stored = json.dumps(masked(result, None, ["s3cret", "s3cret-longer"]))
    assert "s3cret" not in stored
    assert "longer" not in stored


def test_very_short_secrets_mask_nothing() -> None:
    assert masked({"a": "on one"}, None, ["on"]) == {"a": "on one"}


def test_long_values_are_cut_and_say_so() -> None:
    stored = masked({"text": "x" * (STORED_BYTES * 2)}, None, ())
    assert stored["truncated"] is True
    assert stored["bytes"] > STORED_BYTES * 2
    assert len(stored["beginning"]) == STORED_BYTES


def test_what_postgresql_cannot_store_is_replaced() -> None:
    assert masked({"a": "b\x00c"}, None, ()) == {"a": "b\ufffdc"}
