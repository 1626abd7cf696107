"""Texts read by the model: a vector for the whole and one for each word, kept small.

A tool's text is read once and stored (`Read.stored`). A request is read as it comes, in one go, with a vector for each of its clauses: the
mean of its words' vectors, which know their context. So each word is read once, and it finds more than reading the clauses one by one.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.embedding.minilm import MOST_PIECES, NARROW, WIDTH, Floats, MiniLM, units
from agents.embedding.stop_words import STOP_WORDS

AT_ONCE = 16
MOST_WORDS = 48
"""Of a tool's text, that are kept."""
MOST_ASKED = 256
"""Pieces of a request. A longer one loses its small words first and then its commonest ones."""
MOST_CUT = 4_096
WINDOW = 64
"""A longer request is read in windows of this length, side by side: attention costs less within them, and nothing is lost."""

CORES = min(4, os.cpu_count() or 1)
_side_by_side = ThreadPoolExecutor(CORES, "reading")


@dataclass(frozen=True, slots=True, eq=False)
class Read:
    """A tool's text: its vector (WIDTH, length 1), and of its words the numbers (n,) and vectors (n, NARROW) of their pieces."""

    whole: NDArray[np.float16]
    pieces: NDArray[np.uint16]
    words: NDArray[np.int8]

    @property
    def stored(self) -> bytes:
        return b"".join((self.whole.tobytes(), self.pieces.tobytes(), self.words.tobytes()))

    @classmethod
    def of(cls, stored: bytes) -> Read:
        """What `stored` was. Raises ValueError for anything else."""
        count = (len(stored) - 2 * WIDTH) // (2 + NARROW)
        whole = np.frombuffer(stored, "<f2", WIDTH)
        pieces = np.frombuffer(stored, "<u2", count, 2 * WIDTH)
        return cls(whole, pieces, np.frombuffer(stored, np.int8, -1, 2 * WIDTH + 2 * count).reshape(count, NARROW))


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """A request: its vector (WIDTH,), those of its clauses (clauses, WIDTH), and the pieces of all of its words."""

    whole: Floats
    clauses: Floats
    pieces: NDArray[np.int64]
    words: Floats
    """(pieces, NARROW), of length 1."""
    clause_of: NDArray[np.int64]
    """Which clause each piece belongs to: (pieces,), rising."""


class Reader:
    """Reads with one model; threads may share it."""

    def __init__(self, model: MiniLM) -> None:
        self._model = model
        self._telling = model.cut.telling(STOP_WORDS)
        self.pieces = len(model.cut)

    def read(self, texts: Sequence[str]) -> list[Read]:
        """The texts of tools, in the given order; AT_ONCE of like length cost least."""
        cut = [self._model.cut(text, MOST_PIECES - 2) for text in texts]
        of_length: dict[int, list[int]] = {}
        for index, pieces in enumerate(cut):
            of_length.setdefault(len(pieces), []).append(index)
        found: dict[int, Read] = {}
        for alike in of_length.values():  # texts of one length need no padding
            for start in range(0, len(alike), AT_ONCE):
                batch = alike[start : start + AT_ONCE]
                states = self._model.states(np.array([self._framed(cut[index]) for index in batch]))
                found.update((index, self._kept(cut[index], of)) for index, of in zip(batch, states, strict=True))
        return [found[index] for index in range(len(texts))]

    def ask(self, clauses: Sequence[str]) -> Asked:
        """A request that consists of these clauses, or of one."""
        cut = [self._model.cut(clause, MOST_CUT) for clause in clauses]
        clause_of = np.repeat(np.arange(len(cut)), [len(pieces) for pieces in cut])
        pieces = np.array([piece for clause in cut for piece in clause], np.int64)
        if len(pieces) > MOST_ASKED:
            kept = self._most_telling(pieces)
            pieces, clause_of = pieces[kept], clause_of[kept]
        states = self._in_windows(pieces)
        means = np.array(
            [states[of].mean(0) if of.any() else np.zeros(WIDTH) for of in (clause_of == n for n in range(len(cut)))], np.float32
        )
        whole = states.mean(0) if len(states) else np.zeros(WIDTH, np.float32)
        return Asked(units(whole), units(means.reshape(-1, WIDTH)), pieces, units(states @ self._model.basis), clause_of)

    def telling(self, pieces: NDArray[np.integer]) -> NDArray[np.bool_]:
        """Which of the pieces say something."""
        return np.asarray(self._telling[pieces], bool)

    def _framed(self, pieces: Sequence[int] | NDArray[np.int64]) -> list[int]:
        return [self._model.cut.first, *pieces, self._model.cut.last]

    def _kept(self, pieces: list[int], states: Floats) -> Read:
        numbers = np.array(pieces, np.int64)
        says = np.flatnonzero(self._telling[numbers])[:MOST_WORDS] if len(numbers) else np.zeros(0, np.int64)
        words = states[says + 1] @ self._model.basis
        scaled = words * (127 / (np.abs(words).max(1, keepdims=True) + 1e-9))
        return Read(units(states.mean(0)).astype("<f2"), numbers[says].astype("<u2"), np.round(scaled).astype(np.int8))

    def _most_telling(self, pieces: NDArray[np.int64]) -> NDArray[np.int64]:
        says = np.flatnonzero(self._telling[pieces])
        if not len(says):
            return np.arange(MOST_ASKED)
        if len(says) <= MOST_ASKED:
            return says
        rarest = np.argsort(-pieces[says], kind="stable")[:MOST_ASKED]  # the vocabulary is in the order of how common its words are
        return np.sort(says[rarest])

    def _in_windows(self, pieces: NDArray[np.int64]) -> Floats:
        """(pieces, WIDTH)"""
        count = max(1, -(-len(pieces) // WINDOW))
        length = -(-len(pieces) // count)
        starts = [min(window * length, len(pieces) - length) for window in range(count)]  # all of one length: the last two may overlap
        windows = np.array([self._framed(pieces[start : start + length]) for start in starts])
        if count == 1:
            return self._model.states(windows)[0, 1:-1]
        read = np.concatenate(list(_side_by_side.map(self._model.states, np.array_split(windows, min(count, CORES)))))
        found = np.empty((len(pieces), WIDTH), np.float32)
        for start, states in zip(starts, read, strict=True):
            found[start : start + length] = states[1:-1]
        return found
