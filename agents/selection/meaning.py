"""Closeness in meaning: of the whole texts for all tools, and of single words for the few that come first."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from agents.embedding.minilm import WIDTH, Floats, units
from agents.embedding.reading import Asked, Read, Reader

NOISE = 1e-4
"""Differences of cosines that mean nothing."""
SAMPLE = 2_048
"""Documents from which the middle of a distribution is estimated."""


class Meaning:
    """The vectors of all documents; those that have none yet are ``missing``."""

    def __init__(self, reads: Sequence[Read | None], pieces: int) -> None:
        """``pieces``: how many the model's vocabulary has."""
        self.missing = np.array([read is None for read in reads], bool)
        self._reads = reads
        unread = np.zeros(WIDTH, np.float16)
        wholes = np.concatenate([unread if read is None else read.whole for read in reads])
        self._wholes = wholes.astype(np.float32).reshape(-1, WIDTH)
        found = np.concatenate([read.pieces for read in reads if read is not None])
        times = np.bincount(found, minlength=pieces)  # a word that a tool has twice counts twice: as good, and counted much sooner
        count = int((~self.missing).sum())
        self._rarity = np.log1p(np.maximum(count - times + 0.5, 0.5) / (times + 0.5)).astype(np.float32)
        self._sample = np.flatnonzero(~self.missing)[:: max(1, count // SAMPLE)]

    def closeness(self, vectors: Floats) -> Floats:
        """(vectors, documents): 1 for the closest document, 0 for one in the middle, for each of the vectors."""
        cosines = vectors @ self._wholes.T
        middle = np.median(cosines[:, self._sample], axis=1, keepdims=True)
        cosines -= middle
        cosines /= cosines.max(1, keepdims=True) + NOISE
        return np.asarray(cosines, np.float32)

    def word_by_word(self, asked: Asked, documents: NDArray[np.int64], reader: Reader) -> tuple[Floats, Floats]:
        """How well each word of the request is met by the word of the document that is closest to it: (documents,) and, for the clause
        that is met best, (documents,) again. Rare words count for more.
        """
        reads = [self._reads[document] for document in documents]
        words = [np.zeros((1, asked.words.shape[1]), np.int8) if read is None or not len(read.words) else read.words for read in reads]
        starts = np.concatenate(([0], np.cumsum([len(of) for of in words])[:-1]))
        met = np.maximum.reduceat(asked.words @ units(np.concatenate(words).astype(np.float32)).T, starts, axis=1)
        weights = self._rarity[asked.pieces] * reader.telling(asked.pieces) + 1e-6
        met *= weights[:, None]
        clauses = np.flatnonzero(np.bincount(asked.clause_of))
        begins = np.searchsorted(asked.clause_of, clauses)
        by_clause = np.add.reduceat(met, begins, axis=0) / np.add.reduceat(weights, begins)[:, None]
        return np.asarray(met.sum(0) / weights.sum(), np.float32), np.asarray(by_clause.max(0), np.float32)
