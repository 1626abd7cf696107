"""The estimate beside what a published tokenizer of a large model counts (Claude 2's, 65,000 tokens): not too low, nor far off."""

from __future__ import annotations

import json
from base64 import b64encode

import pytest

from chat.context.tokens import WHOLE, fits, of_json, of_text

CODE = (
    "def of_text(text: str) -> int:\n    if not text:\n        return 0\n"
    "    return int(_counted(text[:WHOLE]) * len(text) / WHOLE) + 1\n\n\n"
)
GERMAN = "Künstliche Intelligenz ist ein Teilgebiet der Informatik, das sich mit dem maschinellen Lernen befasst. "
PROSE = "A receipt says who asked through what, which tool as it was defined then, how it ended and where the time went. "
ITEMS = [{"id": n * 7919, "name": f"item {n}", "tags": ["new", "large"], "price": n / 7} for n in range(50)]

COUNTED = {
    "prose": (PROSE * 20, 501),
    "code": (CODE * 20, 879),
    "json": (json.dumps(ITEMS), 1611),
    "hex": ("".join(f"{(n * 2654435761) % 2**32:08x}" for n in range(300)), 1386),
    "base64": (b64encode(bytes((n * n * 31 + n * 7) % 256 for n in range(2000))).decode(), 1821),
    "table": ("\n".join(",".join(str((n * k * 7919) % 1000 / 10) for k in range(1, 9)) for n in range(60)), 1919),
    "log": (
        "".join(f"2026-11-23T12:{n % 60:02d}:{n * 7 % 60:02d}.{n:03d}Z INFO worker[{n * 31}]: job {n} done\n" for n in range(80)),
        1961,
    ),
    "markup": ("".join(f'<li class="row"><a href="https://example.org/p/{n}?x={n * 7}">Link {n}</a></li>\n' for n in range(60)), 1860),
    "german": (GERMAN * 20, 621),
    "russian": ("Искусственный интеллект — свойство систем выполнять творческие функции. " * 20, 701),
    "chinese": ("人工智能是计算机科学的一个分支，它企图了解智能的实质。" * 20, 540),
    "japanese": ("人工知能とは、計算という概念とコンピュータという道具を用いて知能を研究する分野を指す語。" * 20, 900),
    "arabic": ("الذكاء الاصطناعي هو سلوك وخصائص معينة تتسم بها البرامج الحاسوبية. " * 20, 1161),
    "hindi": ("कृत्रिम बुद्धिमत्ता कंप्यूटर विज्ञान की एक शाखा है। " * 20, 1201),
    "pictures": ("😀🎉🚀✨ done! " * 60, 720),
}


@pytest.mark.parametrize("name", COUNTED)
def test_the_estimate_is_not_too_low_nor_far_off(name: str) -> None:
    text, counted = COUNTED[name]
    assert 0.9 <= of_text(text) / counted <= 1.8


def test_no_text_takes_nothing() -> None:
    assert (of_text(""), of_json({}) > 0) == (0, True)


def test_very_long_texts_are_judged_by_their_beginning() -> None:
    text = PROSE * (3 * WHOLE // len(PROSE))
    assert of_text(text) == pytest.approx(of_text(PROSE) * len(text) / len(PROSE), rel=0.05)


def test_the_beginning_that_fits() -> None:
    text = PROSE * 100
    begun = fits(500, text)
    assert text.startswith(begun)
    assert 450 <= of_text(begun) <= 510
    assert fits(10**6, text) == text
