"""Reading a log in steps: where a part of it begins and ends is found by looking at a few blocks, and it is read block by block.

So memory does not grow with the log, and a block is soon read: nothing here needs a thread.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace

from dtma.observing.log_lines import LONGEST_BYTES, is_gone, stamp_of, stamped

BLOCK_BYTES = 2 * LONGEST_BYTES
_STEP_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Piece:
    """Whole lines of an open file, from one offset to another."""

    descriptor: int
    start: int
    end: int

    def blocks(self) -> Iterator[bytes]:
        """The lines, so many at once as fit a block."""
        at = self.start
        while at < self.end:
            block = os.pread(self.descriptor, min(BLOCK_BYTES, self.end - at), at)
            block = block[: block.rfind(b"\n") + 1]
            yield block
            at += len(block)

    def blocks_backwards(self) -> Iterator[tuple[int, bytes]]:
        """The bytes from the end, each block with its offset; its ends are not those of lines."""
        end = self.end
        while end > self.start:
            start = max(self.start, end - BLOCK_BYTES)
            yield start, os.pread(self.descriptor, end - start, start)
            end = start

    def from_time(self, stamp: bytes) -> int:
        """The offset of the first line whose time is not before this one."""
        low, high = self.start, self.end
        while low < high:
            begin = self._begin_of_line((low + high) // 2)
            line = os.pread(self.descriptor, _STEP_BYTES, begin)
            if stamped(line) < stamp:
                low = self._end_of_line(begin)
            else:
                high = begin
        return low

    def last(self, count: int) -> tuple[int, int]:
        """The offset of the last so many lines, and how many of them are not here."""
        wanted = count + 1  # the end of the line before them
        for start, block in self.blocks_backwards():
            ends = block.count(b"\n")
            if ends >= wanted:
                at = len(block)
                for _ in range(wanted):
                    at = block.rfind(b"\n", 0, at)
                return start + at + 1, 0
            wanted -= ends
        return self.start, wanted - 1

    def without_first_note(self) -> Piece:
        """The same without a note that older lines are gone, which is true for the first piece alone."""
        first = os.pread(self.descriptor, min(_STEP_BYTES, self.end - self.start), self.start)
        return replace(self, start=self.start + first.index(b"\n") + 1) if is_gone(first) else self

    def _begin_of_line(self, at: int) -> int:
        while at > self.start:
            step = max(self.start, at - _STEP_BYTES)
            found = os.pread(self.descriptor, at - step, step).rfind(b"\n")
            if found >= 0:
                return step + found + 1
            at = step
        return self.start

    def _end_of_line(self, at: int) -> int:
        while at < self.end:
            found = os.pread(self.descriptor, _STEP_BYTES, at).find(b"\n")
            if found >= 0:
                return at + found + 1
            at += _STEP_BYTES
        return self.end


class Snapshot:
    """What was on disk at one moment, older pieces first."""

    def __init__(self, pieces: list[Piece]) -> None:
        self._descriptors = [piece.descriptor for piece in pieces]
        self._pieces = pieces

    def selected(self, *, tail: int | None = None, since: int | None = None, before: int | None = None) -> Snapshot:
        """This, narrowed to the last ``tail`` of the lines that are later than ``since`` and earlier than ``before`` (microseconds)."""
        if since is not None:
            self._pieces = [replace(piece, start=piece.from_time(stamp_of(since + 1))) for piece in self._pieces]
        if before is not None:
            self._pieces = [replace(piece, end=piece.from_time(stamp_of(before))) for piece in self._pieces]
        if tail is not None:
            for number, piece in reversed(list(enumerate(self._pieces))):
                start, tail = piece.last(tail)
                self._pieces[number] = replace(piece, start=start)
        return self

    def blocks(self) -> Iterator[bytes]:
        """The lines, oldest first, some at once."""
        for piece in self._pieces:
            yield from piece.blocks()

    def blocks_backwards(self) -> Iterator[bytes]:
        """The lines, some at once, latest first; in each block they are in order."""
        for piece in reversed(self._pieces):
            rest = b""
            for _, block in piece.blocks_backwards():
                first = block.find(b"\n") + 1
                yield block[first:] + rest
                rest = block[:first]
            yield rest

    def close(self) -> None:
        """Let go of the files."""
        for descriptor in self._descriptors:
            os.close(descriptor)
        self._descriptors = []
