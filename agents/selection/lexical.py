"""Words in common: BM25 over weighted places (BM25F), with rare words counting for more than BM25 lets them."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from agents.embedding.minilm import Floats
from agents.selection.texts import Document

SATURATION = 1.0
"""k1: how soon one more of the same word counts for nothing."""
LENGTH = 0.8
"""b: how much a long text's words count for less."""
RARITY = 1.5
"""The power of the inverse document frequency."""


class Lexical:
    """Postings of all documents, as arrays."""

    def __init__(self, documents: Sequence[Document]) -> None:
        count = len(documents)
        self._count = count
        vocabulary: dict[str, int] = defaultdict(itertools.count().__next__)
        sizes = np.fromiter((len(document.terms) for document in documents), np.int64, count)
        total = int(sizes.sum())
        terms = chain.from_iterable(document.terms for document in documents)
        of_term = np.fromiter(map(vocabulary.__getitem__, terms), np.int64, total)  # without a step of Python's for each term
        frequency = np.fromiter(chain.from_iterable(document.terms.values() for document in documents), np.float32, total)
        holder = np.repeat(np.arange(count), sizes)
        lengths = np.fromiter((document.length for document in documents), np.float32, count)
        norms = SATURATION * (1 - LENGTH + LENGTH * lengths / (lengths.mean() if count else 1.0))
        found_in = np.bincount(of_term, minlength=len(vocabulary))
        weights = np.log1p((count - found_in + 0.5) / (found_in + 0.5)) ** RARITY
        order = np.argsort(of_term, kind="stable")
        impact = weights[of_term] * frequency * (SATURATION + 1) / (frequency + norms[holder])
        self._numbers = dict(vocabulary)
        self._starts = np.concatenate(([0], np.cumsum(found_in)))
        self._holders: NDArray[np.int64] = holder[order]
        self._impacts: Floats = impact[order].astype(np.float32)

    def scores(self, terms: Iterable[str]) -> Floats:
        """One for each document; 0 where it has none of the terms. A term counts once."""
        found = np.zeros(self._count, np.float32)
        for term in dict.fromkeys(terms):
            holders, impacts = self._postings(term)
            found[holders] += impacts
        return found

    def impact(self, term: str, document: int) -> float:
        """What the term adds to the document's score."""
        holders, impacts = self._postings(term)
        place = int(np.searchsorted(holders, document))
        return float(impacts[place]) if place < len(holders) and holders[place] == document else 0.0

    def _postings(self, term: str) -> tuple[NDArray[np.int64], Floats]:
        number = self._numbers.get(term)
        if number is None:
            return self._holders[:0], self._impacts[:0]
        span = slice(self._starts[number], self._starts[number + 1])
        return self._holders[span], self._impacts[span]
