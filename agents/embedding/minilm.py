"""all-MiniLM-L6-v2: a BERT of six layers, of whose outputs the mean is taken.

Written out in numpy, since frameworks for the same weigh hundreds of megabytes; a test compares it with vectors of the original.
"""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from agents.embedding.safetensors import mapped
from agents.embedding.wordpiece import WordPiece

type Floats = NDArray[np.float32]
type Pieces = NDArray[np.int64]

WIDTH = 384
LAYERS = 6
HEADS = 12
MOST_PIECES = 128
"""What it was trained with."""
NARROW = 96
"""The width to which the vectors of single words are brought."""
EPSILON = np.float32(1e-12)


class MiniLM:
    """Loaded from a folder with ``model.safetensors`` and ``vocab.txt``. Threads may share one."""

    def __init__(self, folder: Path) -> None:
        """Raises OSError, ValueError, KeyError where the files are not those of the model."""
        self._weights = mapped(folder / "model.safetensors")
        self.cut = WordPiece(folder / "vocab.txt")
        self._words = self._weights["embeddings.word_embeddings.weight"]
        places, kinds = (self._weights[f"embeddings.{name}_embeddings.weight"] for name in ("position", "token_type"))
        self._places = places + kinds[0]

    def states(self, pieces: Pieces) -> Floats:
        """What the last layer makes of each piece, in its context: (texts, length, WIDTH) for (texts, length), all of one length."""
        texts, length = pieces.shape
        hidden = self._normed((self._words[pieces] + self._places[:length]).reshape(-1, WIDTH), "embeddings.LayerNorm")
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}."
            attended = self._attention(hidden.reshape(texts, length, WIDTH), f"{name}attention.self.")
            hidden = self._normed(hidden + self._linear(attended, f"{name}attention.output.dense"), f"{name}attention.output.LayerNorm")
            inner = _gelu(self._linear(hidden, f"{name}intermediate.dense"))
            hidden = self._normed(hidden + self._linear(inner, f"{name}output.dense"), f"{name}output.LayerNorm")
        return hidden.reshape(texts, length, WIDTH)

    @cached_property
    def basis(self) -> Floats:
        """(WIDTH, NARROW): the directions in which its words differ most, so that fewer numbers tell words apart nearly as well.

        It follows from the weights alone: every process finds the same.
        """
        _, directions = np.linalg.eigh((self._words.T @ self._words).astype(np.float64))
        widest = directions[:, : -NARROW - 1 : -1]
        signs = np.sign(widest[np.abs(widest).argmax(0), np.arange(NARROW)])  # an axis has two ends: always take the same one
        return np.asarray(widest * signs, np.float32)

    def _attention(self, hidden: Floats, name: str) -> Floats:
        texts, length, _ = hidden.shape
        flat = hidden.reshape(-1, WIDTH)
        query, key, value = (
            self._linear(flat, name + part).reshape(texts, length, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)
            for part in ("query", "key", "value")
        )
        weights = query @ key.transpose(0, 1, 3, 2) * np.float32((WIDTH // HEADS) ** -0.5)
        weights = np.exp(weights - weights.max(-1, keepdims=True))
        weights /= weights.sum(-1, keepdims=True)
        return np.asarray((weights @ value).transpose(0, 2, 1, 3).reshape(-1, WIDTH))

    def _linear(self, hidden: Floats, name: str) -> Floats:
        found = hidden @ self._weights[f"{name}.weight"].T
        found += self._weights[f"{name}.bias"]
        return np.asarray(found)

    def _normed(self, hidden: Floats, name: str) -> Floats:
        centred = hidden - hidden.mean(-1, keepdims=True)
        centred /= np.sqrt((centred * centred).mean(-1, keepdims=True) + EPSILON)
        return np.asarray(centred * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"])


def units(vectors: Floats) -> Floats:
    """The rows brought to length 1."""
    return np.asarray(vectors / (np.linalg.norm(vectors, axis=-1, keepdims=True) + 1e-9), np.float32)


def _gelu(inner: Floats) -> Floats:
    """By its approximation with tanh, which numpy has."""
    return np.asarray(0.5 * inner * (1 + np.tanh(0.7978845608 * (inner + 0.044715 * inner * inner * inner))), np.float32)
