"""Readings of a finished search: the words that a lexicon spelled, different texts, and shares of the mass."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.prefix_tree import NONE
from asr.decoding.readings import Reading, distinct, lexicon_words, posteriors, sums_of_groups
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"ab"])
PHONES = Units("characters", [BLANK_SYMBOL, *"xyz"])
NAMES = ["one", "won", "two"]


def reading(text: str, score: float) -> Reading:
    return Reading([], text, score, 0.0)


def test_words_end_where_the_search_said_and_spaces_belong_to_none():
    tokens = [2, 3, 1, 2]  # "ab a"
    finished = [NONE, NONE, 0, NONE]
    assert lexicon_words(tokens, finished, [0, 0, 1, 0], 2, NAMES, CHARACTERS) == [("one", 0, 2), ("two", 3, 4)]


def test_words_without_separators_follow_each_other():
    tokens = [1, 1, 2]
    finished = [NONE, 1, NONE]
    assert lexicon_words(tokens, finished, [0, 2, 0], 2, NAMES, PHONES) == [("won", 0, 1), ("two", 1, 3)]


def test_an_unfinished_word_is_none():
    assert lexicon_words([1, 2], [NONE, NONE], [0, 0], NONE, NAMES, PHONES) == []
    assert lexicon_words([], [], [], NONE, NAMES, PHONES) == []


def test_the_best_of_equal_texts_stays_and_only_so_many():
    several = [reading("a", -1.0), reading("a", -2.0), reading("b", -3.0), reading("c", -4.0)]
    assert [(r.text, r.score) for r in distinct(several, 2)] == [("a", -1.0), ("b", -3.0)]
    assert [r.text for r in distinct(several, 9)] == ["a", "b", "c"]
    assert distinct([], 3) == []


@given(st.lists(st.floats(-5000.0, 50.0), min_size=1, max_size=8))
def test_shares_sum_to_one_and_keep_their_ratios(scores):
    shares = posteriors([reading(str(n), score) for n, score in enumerate(scores)])
    assert sum(shares) == pytest.approx(1.0)
    for share, score in zip(shares, scores, strict=True):
        assert share == pytest.approx(max(shares) * math.exp(score - max(scores)))


def test_spellings_of_a_text_are_summed_and_the_best_stands_for_them():
    scores = np.log([0.2, 0.3, 0.1, 0.25])
    found = sums_of_groups(scores, np.array([0, 1, 1, 0], np.int32))
    assert np.exp(found) == pytest.approx([0.0, 0.4, 0.0, 0.45])


def test_texts_with_one_spelling_keep_their_scores():
    scores = np.array([-3.0, -1.0, -2.0])
    assert sums_of_groups(scores, np.array([2, 0, 1], np.int32)).tolist() == scores.tolist()
