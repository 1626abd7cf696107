"""The few fields of DNS messages that are needed (RFC 1035, section 4), read with suspicion."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address

A, CNAME, PTR, MX, TXT, AAAA, SRV = 1, 5, 12, 15, 16, 28, 33
IN = 1
NO_ERROR, SERVER_FAILURE, NAME_ERROR, NOT_IMPLEMENTED = 0, 2, 3, 4
MOST_NAME = 253
_HEADER = struct.Struct(">HHHHHH")
_RESPONSE, _TRUNCATED, _DESIRED, _AVAILABLE = 0x8000, 0x0200, 0x0100, 0x0080
_OPCODE = 0x7800


class Malformed(Exception):
    """This is no DNS message, or one that nobody needs."""


@dataclass(frozen=True)
class Question:
    """``name`` is lower case, without the dot at the end; ``raw`` is the question as it was sent, case and all."""

    id: int
    name: str
    kind: int
    raw: bytes


@dataclass(frozen=True)
class Answer:
    """What a resolver said: a code, whether it had to be cut short, and the addresses at the end of the chain of aliases."""

    code: int
    truncated: bool
    addresses: tuple[IPv4Address, ...]
    ttl: int


def parse_question(message: bytes) -> Question:
    """A query with exactly one question, of class IN; raises ``Malformed``."""
    number, flags, questions, answers, _, _ = _header(message)
    if flags & (_RESPONSE | _OPCODE) or questions != 1 or answers:
        raise Malformed
    name, at = _name(message, _HEADER.size)
    kind, category = _numbers(message, at, ">HH")
    if category != IN:
        raise Malformed
    return Question(number, name, kind, message[_HEADER.size : at + 4])


def question(number: int, name: str, kind: int) -> bytes:
    """A query; raises ``Malformed`` where the name cannot be asked for."""
    labels = name.encode("ascii", "replace").split(b".")
    if len(name) > MOST_NAME or not all(0 < len(label) < 64 for label in labels):
        raise Malformed
    wire = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return _HEADER.pack(number, _DESIRED, 1, 0, 0, 0) + wire + struct.pack(">HH", kind, IN)


def reply(asked: Question, code: int = NO_ERROR, addresses: tuple[IPv4Address, ...] = (), ttl: int = 0) -> bytes:
    """The answer to a query: a code, or addresses."""
    header = _HEADER.pack(asked.id, _RESPONSE | _DESIRED | _AVAILABLE | code, 1, len(addresses), 0, 0)
    # The name of each record points at the one in the question.
    records = b"".join(struct.pack(">HHHIH", 0xC000 | _HEADER.size, A, IN, ttl, 4) + address.packed for address in addresses)
    return header + asked.raw + records


def truncated(asked: Question) -> bytes:
    """Tells to ask again over TCP."""
    return _HEADER.pack(asked.id, _RESPONSE | _TRUNCATED | _DESIRED | _AVAILABLE, 1, 0, 0, 0) + asked.raw


def parse_answer(message: bytes, asked: Question) -> Answer:
    """What another resolver answers to ``asked``; raises ``Malformed``, also where it answers something else."""
    number, flags, questions, count, _, _ = _header(message)
    if not flags & _RESPONSE or number != asked.id or questions != 1:
        raise Malformed
    name, at = _name(message, _HEADER.size)
    if name != asked.name or _numbers(message, at, ">HH") != (asked.kind, IN):
        raise Malformed
    at += 4
    wanted, addresses, ttls = asked.name, list[IPv4Address](), list[int]()
    for _ in range(count if not flags & _TRUNCATED else 0):
        owner, at = _name(message, at)
        kind, category, ttl, length = _numbers(message, at, ">HHIH")
        at += 10
        if at + length > len(message):
            raise Malformed
        if category == IN and owner == wanted and kind == CNAME:
            wanted, _ = _name(message, at)
            ttls.append(ttl)
        elif category == IN and owner == wanted and kind == A and length == 4:
            addresses.append(IPv4Address(message[at : at + 4]))
            ttls.append(ttl)
        at += length
    return Answer(flags & 0xF, bool(flags & _TRUNCATED), tuple(dict.fromkeys(addresses)), min(ttls, default=0) & 0x7FFFFFFF)


def _header(message: bytes) -> tuple[int, int, int, int, int, int]:
    if len(message) < _HEADER.size:
        raise Malformed
    number, flags, questions, answers, authorities, others = _HEADER.unpack_from(message)
    return number, flags, questions, answers, authorities, others


def _numbers(message: bytes, at: int, form: str) -> tuple[int, ...]:
    if at + struct.calcsize(form) > len(message):
        raise Malformed
    return struct.unpack_from(form, message, at)


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends. A pointer must lead backwards, so that no loop is possible."""
    labels: list[str] = []
    end, size, before = 0, 0, at
    while True:
        if at >= len(message):
            raise Malformed
        length = message[at]
        if length & 0xC0 == 0xC0:
            target = _numbers(message, at, ">H")[0] & 0x3FFF
            end = end or at + 2
            if target >= before:
                raise Malformed
            at = before = target
            continue
        if length & 0xC0 or at + 1 + length > len(message):
            raise Malformed
        if not length:
            return ".".join(labels), end or at + 1
        size += length + 1
        if size > MOST_NAME + 1:
            raise Malformed
        labels.append(_text(message[at + 1 : at + 1 + length]))
        at += 1 + length


def _text(label: bytes) -> str:
    """A label in lower case. One with anything but letters, digits, - and _ is no host's, and a dot inside it would deceive us."""
    if not all(byte in _LETTERS for byte in label):
        raise Malformed
    return label.decode("ascii").lower()


_LETTERS = frozenset(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
