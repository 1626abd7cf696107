"""The index of one set of tools, and the order that it brings them into. Nothing in it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from agents.embedding.minilm import Floats
from agents.embedding.reading import Asked, Read, Reader
from agents.selection.clauses import clauses_of
from agents.selection.lexical import Lexical
from agents.selection.meaning import NOISE, Meaning
from agents.selection.texts import Document, terms

SHORT_SHARE, LONG_SHARE, LONG_WORDS = 0.3, 0.55, 40
"""The share of words in common in the score: the longer a text, the more likely it has the tool's own words."""
CLAUSE_WEIGHT = 0.7
SERVER_WEIGHT, SERVER_BEST = 0.5, 3
LOOKED_AT = 50
WORDS_WEIGHT, WORDS_UNTIL = 2.0, 30
"""Of the comparison word by word, for the shortest requests; from so many words on it adds nothing to what the vectors say."""
CLAUSE_WORDS_WEIGHT = 0.15


@dataclass(frozen=True, slots=True, eq=False)
class Order:
    """The documents, best first, with scores from 1 (the first one's) down to 0, and the best clause's number for each of them."""

    documents: NDArray[np.int64]
    scores: Floats
    clauses: Sequence[str]
    clause_of: NDArray[np.int64]
    by_meaning: Floats
    """Of each, how close it is in meaning to its best clause, from 1 for the closest of all; all 0 without vectors."""


class Index:
    """Over documents and, as far as they are there, what was read of them; ``servers`` tells which belong together."""

    def __init__(self, servers: Sequence[str], documents: Sequence[Document], reads: Sequence[Read | None], reader: Reader | None) -> None:
        self.lexical = Lexical(documents)
        self._reader = reader
        self.meaning = Meaning(reads, reader.pieces) if reader and any(read is not None for read in reads) else None
        _, server_of = np.unique(np.array(servers, str), return_inverse=True)
        self._by_server = np.argsort(server_of, kind="stable")
        self._server_of: NDArray[np.int64] = server_of
        self._server_sizes = np.bincount(server_of)
        self._server_starts = np.cumsum(self._server_sizes) - self._server_sizes

    def order(self, request: str, limit: int, bonus: Floats | None = None) -> Order:
        """The best ``limit`` documents for the request; ``bonus`` is added to their scores, one for each document."""
        clauses = clauses_of(request)
        asked = self._reader.ask(clauses) if self._reader and self.meaning else None
        lexical, close = self._by_clause(clauses, asked)
        shares = np.array([_share(text) for text in (request, *clauses)], np.float32)[:, None]
        fused = shares * lexical + (1 - shares) * close
        scores = fused[0] + (CLAUSE_WEIGHT * fused[1:].max(0) if len(clauses) > 1 else 0)
        scores = scores + SERVER_WEIGHT * self._servers(scores)
        extra = np.zeros(len(scores), np.float32) if bonus is None else bonus
        first = best_places(scores + extra, max(limit, LOOKED_AT))
        ranked = extra[first] + self._reranked(scores[first], first, asked, lexical[0], len(request.split()))
        order = np.argsort(-ranked, kind="stable")[:limit]
        floor = min(float(np.median(scores)), float(ranked.min())) if len(ranked) else 0.0
        chosen = first[order]
        best = fused[1:, chosen].argmax(0) if len(chosen) else np.zeros(0, np.int64)
        told = (ranked[order] - floor) / (float(ranked.max() - floor) + 1e-9) if len(ranked) else ranked
        by_meaning = close[1 + best, chosen] if asked else np.zeros(len(chosen), np.float32)
        return Order(chosen, np.asarray(told, np.float32), clauses, best, np.asarray(by_meaning, np.float32))

    def _by_clause(self, clauses: Sequence[str], asked: Asked | None) -> tuple[Floats, Floats]:
        """By words and by meaning, each (1 + clauses, documents): the whole request first. The best document has 1."""
        of_clauses = [self.lexical.scores(terms(clause)) for clause in clauses]
        whole = self.lexical.scores([term for clause in clauses for term in terms(clause)]) if len(clauses) > 1 else of_clauses[0]
        lexical = np.array([whole, *of_clauses])
        lexical /= lexical.max(1, keepdims=True, initial=1e-9)
        if asked is None or self.meaning is None:
            return lexical, lexical
        close = self.meaning.closeness(np.concatenate((asked.whole[None], asked.clauses)))
        missing = self.meaning.missing
        close[:, missing] = lexical[:, missing]  # until it has been read, a tool is found by its words alone
        return lexical, close

    def _servers(self, scores: Floats) -> Floats:
        """For each document the mean of its server's best: what comes from a fitting server fits better."""
        if not len(scores):
            return scores
        left = scores[self._by_server].copy()
        total = np.zeros(len(self._server_sizes), np.float32)
        for turn in range(SERVER_BEST):
            best = np.maximum.reduceat(left, self._server_starts)
            total += np.where(self._server_sizes > turn, best, 0)
            at_best = np.flatnonzero(left == np.repeat(best, self._server_sizes))
            _, firsts = np.unique(self._server_of[self._by_server[at_best]], return_index=True)
            left[at_best[firsts]] = -np.inf
        means = total / np.minimum(self._server_sizes, SERVER_BEST)
        return np.asarray(means[self._server_of], np.float32)

    def _reranked(self, scores: Floats, documents: NDArray[np.int64], asked: Asked | None, lexical: Floats, length: int) -> Floats:
        """The scores of these documents, with what a look at single words adds."""
        if asked is None or self.meaning is None or self._reader is None or not len(asked.pieces) or len(documents) < 2:
            return scores
        looked_at = documents[:LOOKED_AT]
        whole, clause = self.meaning.word_by_word(asked, looked_at, self._reader)
        unread = self.meaning.missing[looked_at]
        for met in (whole, clause):
            met[unread] = met.min() + np.ptp(met) * lexical[looked_at][unread]
        head = scores[:LOOKED_AT]
        weight = WORDS_WEIGHT * max(0.0, 1 - length / WORDS_UNTIL)
        added = weight * _standard(whole) + (CLAUSE_WORDS_WEIGHT * _standard(clause) if len(asked.clauses) > 1 else 0)
        found = scores.copy()
        found[:LOOKED_AT] = head + head.std() * added
        found[LOOKED_AT:] = np.minimum(scores[LOOKED_AT:], found[:LOOKED_AT].min())
        return found


def _share(text: str) -> float:
    return SHORT_SHARE + (LONG_SHARE - SHORT_SHARE) * min(1.0, len(text.split()) / LONG_WORDS)


def _standard(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / (values.std() + NOISE), np.float32)


def best_places(scores: Floats, count: int) -> NDArray[np.int64]:
    """The places of the highest, highest first; ties in the order of the documents."""
    if len(scores) > count:
        edge = np.partition(scores, len(scores) - count)[len(scores) - count]
        places = np.concatenate((np.flatnonzero(scores > edge), np.flatnonzero(scores == edge)))[:count]
    else:
        places = np.arange(len(scores))
    return places[np.argsort(-scores[places], kind="stable")]
