"""Cutting readings into words agrees with the text that the units spell."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.times import UnitSpan, geometric_mean, split_words, timed_words, unit_spans
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab"], b"not needed to decode")
WORDS = Units("words", [BLANK_SYMBOL, "<unk>", "one", "two"])


@pytest.mark.parametrize("units", [CHARACTERS, PIECES, WORDS], ids=["characters", "bpe", "words"])
@given(data=st.data())
def test_words_joined_are_the_text(units, data):
    tokens = data.draw(st.lists(st.integers(1, len(units) - 1), max_size=12))
    words = split_words(tokens, units)
    assert " ".join(word for word, _, _ in words) == units.decode(tokens)
    assert all(units.decode(tokens[first:end]) == word for word, first, end in words)


def test_a_word_piece_belongs_to_the_word_it_begins():
    assert split_words([3, 4, 5, 2, 4], PIECES) == [("ab", 0, 2), ("ab", 2, 3), ("b", 3, 5)]


def test_spaces_belong_to_no_word():
    assert split_words([1, 2, 1, 1, 3, 3, 1], CHARACTERS) == [("a", 1, 2), ("bb", 4, 6)]


def test_spans_and_words_in_seconds():
    log_probs = np.log(np.array([[0.1, 0.1, 0.8, 0.0], [0.2, 0.2, 0.5, 0.1], [0.1, 0.1, 0.2, 0.6]]) + 1e-9)
    spans = unit_spans(log_probs, [2, 3], np.array([[0, 2], [2, 3]]), 0.5)
    assert [(span.start, span.end) for span in spans] == [(0.0, 1.0), (1.0, 1.5)]
    (word,) = timed_words(spans, CHARACTERS)
    assert (word.text, word.start, word.end) == ("ab", 0.0, 1.5)
    assert word.confidence == pytest.approx((0.8 * 0.6) ** 0.5, rel=1e-6)


def test_confidence_never_exceeds_one():
    assert geometric_mean([UnitSpan(1, 0.0, 1.0, 1e-6)]) == 1.0
