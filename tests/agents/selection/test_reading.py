"""The model in numpy is the model that was published, and what is kept of a text is enough."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from agents.embedding.reading import MOST_ASKED, Read, Reader

# As its publishers give them for these sentences.
PUBLISHED = {"That is a happy dog": 0.6946, "That is a very happy person": 0.9429, "Today is a sunny day": 0.2569}


def cosine(one: Read, other: Read) -> float:
    return float(one.whole.astype(float) @ other.whole.astype(float))


def test_sentences_are_as_close_as_the_published_model_finds_them(model: Reader) -> None:
    first, *others = model.read(["That is a happy person", *PUBLISHED])
    assert [cosine(first, other) for other in others] == pytest.approx(list(PUBLISHED.values()), abs=5e-4)


def test_a_text_reads_the_same_in_whatever_company(model: Reader) -> None:
    text = "Sends an e-mail to somebody."
    alone = model.read([text])[0]
    among = model.read(["Short.", text, "Another one that is quite a bit longer than the others.", text])
    assert all(cosine(alone, read) == pytest.approx(1, abs=1e-3) for read in (among[1], among[3]))


def test_what_is_stored_comes_back(model: Reader) -> None:
    read = model.read(["Weather: get_forecast. The weather of the coming days."])[0]
    again = Read.of(read.stored)
    assert np.array_equal(again.whole, read.whole)
    assert np.array_equal(again.pieces, read.pieces)
    assert np.array_equal(again.words, read.words)
    assert len(read.words) > 3  # small words and marks are left out


@pytest.mark.parametrize("text", ["", " ", "?!", "\u0000\ud800", "a" * 100_000, "天気を教えて", "🦄" * 500, "ﷺ" * 300])
def test_nothing_is_too_odd_to_be_read(model: Reader, text: str) -> None:
    read = model.read([text])[0]
    assert np.isfinite(read.whole.astype(float)).all()
    asked = model.ask([text])
    assert np.isfinite(asked.whole).all()
    assert np.isfinite(asked.words).all()


def test_clauses_of_a_request_have_vectors_of_their_own(model: Reader) -> None:
    asked = model.ask(["Find flights to Rome.", "", "Then write an e-mail to my boss."])
    assert asked.clauses.shape[0] == 3
    assert not asked.clauses[1].any()
    flight, mail = (read.whole.astype(np.float32) for read in model.read(["Search for air tickets", "Send a message by mail"]))
    assert asked.clauses[0] @ flight > asked.clauses[2] @ flight
    assert asked.clauses[2] @ mail > asked.clauses[0] @ mail


def test_a_very_long_request_keeps_what_tells_most(model: Reader) -> None:
    asked = model.ask(["it is what it is and so it was, " * 200 + "kubernetes liveness probe"])
    assert len(asked.pieces) <= MOST_ASKED
    close = model.read(["Kubernetes probes", "Cooking recipes"])
    assert asked.whole @ close[0].whole > asked.whole @ close[1].whole


def test_threads_of_matrix_products_are_limited_before_numpy_is_loaded() -> None:
    told = "import agents.selection, os, sys; print(os.environ['OPENBLAS_NUM_THREADS'], 'numpy' in sys.modules)"
    environment = {name: value for name, value in os.environ.items() if name != "OPENBLAS_NUM_THREADS"}
    answer = subprocess.run([sys.executable, "-c", told], env=environment, capture_output=True, text=True, check=True)
    assert answer.stdout.split() == ["1", "False"]
