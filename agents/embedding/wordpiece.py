"""BERT's own way to cut a text into the pieces that it has vectors for (uncased WordPiece)."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

WORDS = re.compile(r"[\u3400-\u9fff]|[^\W_\u3400-\u9fff]+|[^\w\s]|_")
TELLING = re.compile(r"(##)?[^\W_]+")
LONGEST_WORD = 100
CACHED_WORDS = 50_000


class WordPiece:
    """Cuts texts by the vocabulary in ``path``: one piece a line, ``##`` before those that go on a word."""

    def __init__(self, path: Path) -> None:
        self._pieces = path.read_text(encoding="utf-8").splitlines()
        self._ids = {piece: number for number, piece in enumerate(self._pieces)}
        self.first, self.last, self._unknown = (self._ids[name] for name in ("[CLS]", "[SEP]", "[UNK]"))
        self._words: dict[str, list[int]] = {}

    def __len__(self) -> int:
        return len(self._pieces)

    def __call__(self, text: str, most: int) -> list[int]:
        """The numbers of the text's pieces, ``most`` of them, without those that BERT puts first and last."""
        plain = unicodedata.normalize("NFD", text[: most * LONGEST_WORD].lower())
        plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
        found: list[int] = []
        for word in WORDS.finditer(plain):
            found += self._of_word(word[0])
            if len(found) >= most:
                break
        return found[:most]

    def telling(self, without: Collection[str]) -> NDArray[np.bool_]:
        """Which pieces say something: no marks and none of the words ``without``."""
        return np.array([bool(TELLING.fullmatch(piece)) and piece not in without for piece in self._pieces])

    def _of_word(self, word: str) -> list[int]:
        known = self._words.get(word)
        if known is None:
            if len(self._words) >= CACHED_WORDS:
                self._words.clear()
            known = self._words[word] = self._cut(word)
        return known

    def _cut(self, word: str) -> list[int]:
        if len(word) > LONGEST_WORD:
            return [self._unknown]
        found: list[int] = []
        start = 0
        while start < len(word):
            for end in range(len(word), start, -1):
                number = self._ids.get(("##" if start else "") + word[start:end])
                if number is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return found
