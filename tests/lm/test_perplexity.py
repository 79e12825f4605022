"""Scores of texts, added up as KenLM's query does."""

import math

import numpy as np
import pytest

from asr.errors import DecodingError
from asr.lm.perplexity import score_sentences, total


class Model:
    """Every known word and end has probability 0.1, the unknown word 0.001."""

    def word_scores(self, sentence):
        return np.log([0.001 if word == "zebra" else 0.1 for word in sentence] + [0.1])

    def unknown(self, sentence):
        return np.array([word == "zebra" for word in sentence], bool)


def test_sentences_in_base_ten():
    known, unknown = score_sentences(Model(), [["a", "b"], ["zebra"]])
    assert known.log10_prob == pytest.approx(-3)
    assert (known.unknown, known.log10_unknown) == (0, 0)
    assert unknown.log10_prob == pytest.approx(-4)
    assert (unknown.unknown, unknown.log10_unknown) == (1, pytest.approx(-3))


def test_perplexity_with_and_without_unknown_words():
    result = total(score_sentences(Model(), [["a", "b"], ["zebra"]]))
    assert (result.sentences, result.words, result.unknown) == (2, 5, 1)
    assert result.perplexity == pytest.approx(10 ** (7 / 5))
    assert result.perplexity_of_known == pytest.approx(10)


def test_empty_sentence_is_its_end():
    assert total(score_sentences(Model(), [[]])).perplexity == pytest.approx(10)


def test_only_unknown_words_leave_the_ends():
    result = total(score_sentences(Model(), [["zebra"]]))
    assert math.isfinite(result.perplexity_of_known)


def test_no_sentences_is_an_error():
    with pytest.raises(DecodingError, match="no sentences"):
        total([])
