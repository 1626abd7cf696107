"""The lines of a log on the wire and on disk (NDJSON of ``LogLine``), made and read many at a time: a server may print 100,000 a second.

Times are microseconds since 1970, in UTC.
"""

from __future__ import annotations

import os
import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted

LINE_CHARACTERS = 16 * 1024
_KEPT_CHARACTERS = LINE_CHARACTERS - 40
"""Of a longer line, so that there is room for saying so: clipping what is clipped changes nothing."""
_EPOCH = datetime.fromtimestamp(0, UTC)
_BEFORE_STAMP = '{"ts":"'
_STAMP = slice(len(_BEFORE_STAMP), len(_BEFORE_STAMP) + len("2026-01-01T00:00:00.000000Z"))
LONGEST_BYTES = 8 * LINE_CHARACTERS
"""No encoded line has more: a character is at most six in JSON."""
GONE = "Older lines are gone: this is where the log begins now."
MISSING = "Lines missing here: {}. They could not be written."
_LAST_MICRO = 253_402_300_799_999_999
"""The end of the year 9999."""


def encode(stream: str, texts: list[str], first: int) -> bytes:
    """Lines of consecutive microseconds."""
    second, fraction = divmod(first, 1_000_000)
    fits = 1_000_000 - fraction
    if len(texts) > fits:
        return encode(stream, texts[:fits], first) + encode(stream, texts[fits:], first + fits)
    start, middle = _to_the_second(second), f'Z","stream":"{stream}","text":'
    return "".join([f"{start}{fraction + number:06d}{middle}{_quoted(text)}}}\n" for number, text in enumerate(texts)]).encode()


@lru_cache(maxsize=4)
def _to_the_second(second: int) -> str:
    return time.strftime(f"{_BEFORE_STAMP}%Y-%m-%dT%H:%M:%S.", time.gmtime(second))


def clipped(texts: list[str]) -> list[str]:
    """The same without what goes beyond ``LINE_CHARACTERS``."""
    if max(map(len, texts), default=0) <= LINE_CHARACTERS:
        return texts
    return [text if len(text) <= LINE_CHARACTERS else f"{text[:_KEPT_CHARACTERS]}… ({len(text)} characters)" for text in texts]


def masked(texts: list[str], secrets: dict[str, str]) -> list[str]:
    """The same with every secret replaced by its name in brackets. ``secrets`` maps values to names."""
    whole = "\n".join(texts)
    found = {value: name for value, name in secrets.items() if value in whole}
    return [_mask(text, found) for text in texts] if found else texts


def _mask(text: str, secrets: dict[str, str]) -> str:
    """Where secrets overlap, all of them are replaced, so that no part of one is left."""
    hits = sorted((start, start + len(value), name) for value, name in secrets.items() for start in _occurrences(value, text))
    pieces, done = [], 0
    for start, end, name in hits:
        if start >= done:
            pieces += [text[done:start], f"[{name}]"]
        done = max(done, end)
    return "".join([*pieces, text[done:]])


def _occurrences(value: str, text: str) -> list[int]:
    starts, at = [], text.find(value)
    while at >= 0:
        starts.append(at)
        at = text.find(value, at + 1)
    return starts


def microseconds(moment: datetime) -> int:
    """A time as it is counted here."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def moment_of(micro: int) -> datetime:
    """The reverse."""
    return _EPOCH + timedelta(microseconds=micro)


def time_of(line: bytes) -> int:
    """When an encoded line arrived; raises ``ValueError``."""
    return microseconds(datetime.fromisoformat(line[_STAMP].decode()))


def last_of(block: bytes) -> bytes:
    """The last line of a block."""
    return block[block.rfind(b"\n", 0, -1) + 1 :]


def stamped(line: bytes) -> bytes:
    """The time of an encoded line, as it is written: stamps have the order of their times."""
    return line[_STAMP]


def stamp_of(micro: int) -> bytes:
    """How a time is written."""
    second, fraction = divmod(min(max(micro, 0), _LAST_MICRO), 1_000_000)
    return f"{_to_the_second(second)[len(_BEFORE_STAMP) :]}{fraction:06d}Z".encode()


def of_stream(stream: str) -> bytes:
    """What stands in every encoded line of a stream and, since texts are quoted, in no other."""
    return f'Z","stream":"{stream}",'.encode()


def is_gone(line: bytes) -> bool:
    """Whether this is the note that older lines are gone."""
    return line.startswith(_GONE, _STAMP.stop - 1)


def without_notes(block: bytes) -> bytes:
    """Lines without the notes that are in the file alone: what they say a reader that follows is told in another way."""
    if _GONE not in block and _MISSING not in block:
        return block
    return b"".join(line for line in block.splitlines(keepends=True) if not line.startswith((_GONE, _MISSING), _STAMP.stop - 1))


def end_of(descriptor: int) -> tuple[int, bytes]:
    """The size of a log file up to the end of its last whole line, and that line; what follows was cut when its writer was killed."""
    size = os.fstat(descriptor).st_size
    start = max(0, size - 2 * LONGEST_BYTES)
    piece = os.pread(descriptor, size - start, start)
    whole = piece[: piece.rfind(b"\n") + 1]
    return start + len(whole), last_of(whole)


_GONE, _MISSING = (of_stream("dtma") + b'"text":' + _quoted(note.split("{")[0]).encode()[:-1] for note in (GONE, MISSING))
