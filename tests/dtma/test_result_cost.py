"""What a call cost, put into the bytes of its result."""

from __future__ import annotations

import itertools
import json
import random
from typing import Any

import pytest

from dtma.mcp.http_cost import answers, event_with_cost, is_tool_call, with_cost
from dtma.mcp.messages import parse
from mcp_protocol.event_streams import Blocks, EventTooLarge, event_of
from mcp_protocol.messages import Message

COST = {"io.agentopia/cost": {"cpu_seconds": 0.5}}
ADDED = b'"_meta":{"io.agentopia/cost":{"cpu_seconds":0.5}}'
NAMES = ("_meta", "result", "content", "text", 'a"_meta', "x\\", "é", "io.agentopia/cost", "")
TEXTS = ("", '"_meta":{', '}{][\\"', "\\u005fmeta", "é漢😀", "\n\t", "x" * 50, "_meta", "result")


def cost() -> dict[str, Any]:
    return COST


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        (b'{"jsonrpc":"2.0","id":1,"result":{}}', b'{"jsonrpc":"2.0","id":1,"result":{%s}}' % ADDED),
        (b'{ "result" : {"a": 1.50} , "id":"x", "y":2}', b'{ "result" : {%s,"a": 1.50} , "id":"x", "y":2}' % ADDED),
        (b'{"y":[{"result":1}], "result":{"a":1}}', b'{"y":[{"result":1}], "result":{%s,"a":1}}' % ADDED),
        (b'{"result":{"a":{"_meta":1.50}}}', b'{"result":{%s,"a":{"_meta":1.50}}}' % ADDED),
        (b'{"result":{"a":1.50, "_meta" : { "b":2.0 } } }', b'{"result":{"a":1.50, "_meta" : {%s, "b":2.0 } } }' % ADDED[9:-1]),
        (b'{"result":{"a":1.50,"_meta":{ }}}', b'{"result":{"a":1.50,"_meta":{%s }}}' % ADDED[9:-1]),
        (b'{"result":{"a":1.50,"\\u005fmeta":null}}', b'{"result":{"a":1.50,"\\u005fmeta":%s}}' % ADDED[8:]),
        (
            b'{"result":{"_meta":{"io.agentopia/cost":"nothing","b":2}}}',
            b'{"result":{"_meta":{"io.agentopia/cost":{"cpu_seconds":0.5},"b":2}}}',
        ),
    ],
)
def test_nothing_else_of_a_result_changes(message: bytes, expected: bytes) -> None:
    assert with_cost(message, cost) == expected


@pytest.mark.parametrize(
    "message",
    [
        b"",
        b"result",
        b'{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"\\"result\\""}}',
        b'{"jsonrpc":"2.0","method":"x","params":{"result":{}}}',
        b'{"method":"x","result":{}}',
        b'{"result":[]}',
        b'{"result":null}',
        b'[{"jsonrpc":"2.0","id":1,"result":{}}]',
        b'{"_meta":1,"result":{"a":',
        b'{"_meta":1,"result":{}',
        b'{"_meta":1,"result":{}} and more',
        b'{"_meta":1,"result":{"a" 1}}',
        b'{"_meta":1,"result":{1:1}}',
        b'{"_meta":1,"result":{"a":"\xff"}}',
        b'{"_meta":' + b"[" * 100_000 + b',"result":{}}',
    ],
)
def test_what_is_no_result_stays_as_it_is(message: bytes) -> None:
    assert with_cost(message, cost) == message
    assert event_with_cost(b"data: " + message + b"\n\n", cost) == b"data: " + message + b"\n\n"


def test_nothing_is_added_where_nothing_was_measured() -> None:
    for message in (b'{"result":{}}', b'{"result":{"_meta":{}}}'):
        assert with_cost(message, dict) == message


class Writer:
    """JSON as any server might write it."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)  # noqa: S311 - the same each time is what is wanted

    def response(self) -> Message:
        """A response, now and then with more than belongs to it."""
        result = {self.random.choice(NAMES): self.value(2) for _ in range(self.random.randrange(5))}
        return {"jsonrpc": "2.0", "id": self.random.choice((1, 'a"', -7)), "result": result} | (
            {self.random.choice(("_meta", "x", "content")): self.value(2)} if self.random.random() < 0.3 else {}
        )

    def value(self, depth: int) -> Any:
        """Anything."""
        kind = self.random.randrange(6 if depth else 4)
        match kind:
            case 0:
                return self.random.choice((1, -2.5, 1e30, None, True))
            case 1 | 2 | 3:
                return self.random.choice(TEXTS)
            case 4:
                return [self.value(depth - 1) for _ in range(self.random.randrange(4))]
            case _:
                return {self.random.choice(NAMES): self.value(depth - 1) for _ in range(self.random.randrange(5))}

    def written(self, value: Any) -> str:
        """With space wherever it may be, in any order, and any letter escaped."""
        if isinstance(value, dict):
            members = [f"{self.text(name)}{self.space()}:{self.space()}{self.written(inner)}" for name, inner in value.items()]
            self.random.shuffle(members)
            return "{" + self.space() + f",{self.space()}".join(members) + self.space() + "}"
        if isinstance(value, list):
            return "[" + f"{self.space()},".join(self.written(inner) for inner in value) + "]"
        return self.text(value) if isinstance(value, str) else json.dumps(value)

    def text(self, text: str) -> str:
        """``"result"`` alone is always written as it is."""
        if text == "result" or self.random.random() < 0.7:
            return json.dumps(text, ensure_ascii=self.random.random() < 0.5)
        return '"' + "".join(f"\\u{ord(one):04x}" if ord(one) < 0x10000 else json.dumps(one)[1:-1] for one in text) + '"'

    def space(self) -> str:
        """Some or none."""
        return self.random.choice(("", "", "", " ", "\n", "\r\n\t"))


def merged(message: Message) -> Message:
    """What is wanted, by way of parsed JSON."""
    before = message["result"].get("_meta")
    return {**message, "result": {**message["result"], "_meta": {**(before if isinstance(before, dict) else {}), **COST}}}


@pytest.mark.parametrize("seed", range(10))
def test_any_response_gets_what_parsing_and_encoding_it_would_give(seed: int) -> None:
    writer = Writer(seed)
    for _ in range(500):
        text = writer.space() + writer.written(writer.response()) + writer.space()
        wanted = merged(json.loads(text))
        assert parse(with_cost(text.encode(), cost)) == wanted, text
        for end in ("\n", "\r\n"):
            lines = "".join(f"data: {line}{end}" for line in text.replace("\r\n", "\n").split("\n"))
            event = event_of(event_with_cost(f"id: 1{end}event: message{end}{lines}{end}".encode(), cost))
            assert (parse(event.data), event.id, event.kind) == (wanted, "1", "message"), lines


def test_a_tool_call_is_seen() -> None:
    assert is_tool_call(b'{"jsonrpc":"2.0","id":1,"method" : "tools/call"}')
    assert not is_tool_call(b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}')


@pytest.mark.parametrize(
    ("data", "request_", "answered"),
    [
        (b'{"jsonrpc":"2.0","id":7,"result":{}}', b'{"id":7,"method":"x"}', True),
        (b'{"id":"a","jsonrpc":"2.0","error":{}}', b' {"method":"x", "id": "a"}', True),
        (b'{"jsonrpc":"2.0","id":8,"result":{}}', b'{"id":7,"method":"x"}', False),
        (b'{"jsonrpc":"2.0","result":{},"id":7}', b'{"id":7,"method":"x"}', False),  # perhaps, but that takes a longer look
        (b'{"jsonrpc":"2.0","id":7,"method":"roots/list"}', b'{"id":7,"method":"x"}', False),
        (b'{"jsonrpc":"2.0","id":7,"result":{}}', b'[{"id":7,"method":"x"},{"id":8,"method":"x"}]', False),
        (b'{"jsonrpc":"2.0","id":7,"result":{}}', b"", False),
        (b'{"jsonrpc":"2.0","id":7,\ndata: "result":{}}', b'{"id":7,"method":"x"}', False),
    ],
)
def test_the_response_to_a_request_is_seen(data: bytes, request_: bytes, answered: bool) -> None:
    assert answers(b"event: message\ndata: " + data + b"\n\n", request_) is answered


def test_a_stream_is_cut_the_same_however_it_arrives() -> None:
    blocks = [b"data: a\n\n", b"event: x\r\ndata: b\r\n\r\n", b": c\r\r", b"id: 1\ndata: d\n\r\n", b"\n\n", b"data: e\ndata: f\n\n"]
    stream = b"".join(blocks)
    for first, second in itertools.combinations(range(len(stream)), 2):
        cut = Blocks(100)
        found = [*cut.feed(stream[:first]), *cut.feed(stream[first:second]), *cut.feed(stream[second:]), *cut.feed(b"rest")]
        assert found == blocks
        assert cut.rest == b"rest"
    with pytest.raises(EventTooLarge):
        Blocks(100).feed(b"x" * 101)


def test_what_an_event_says() -> None:
    for end in (b"\n", b"\r\n", b"\r"):
        event = event_of(end.join((b": hello", b"id: 7", b"event: x", b"data: a", b"data:b", b"retry: 5", b"", b"")))
        assert (event.kind, event.data, event.id, event.retry_ms) == ("x", b"a\nb", "7", 5)
