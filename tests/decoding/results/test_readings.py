"""Readings of a finished search: the words that a lexicon spelled, different texts, and shares of the mass."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.knowledge.prefixes import NONE
from asr.decoding.results.readings import Reading, distinct, lexicon_words, posteriors, ranked, readings_needed
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
    order, sums = ranked(scores, np.array([0, 1, 1, 0], np.int32))
    assert order.tolist() == [3, 1]
    assert np.exp(sums) == pytest.approx([0.45, 0.4])


def test_without_groups_each_reading_counts_by_itself_and_equals_keep_their_order():
    order, sums = ranked(np.array([-3.0, -1.0, -np.inf, -2.0, -1.0]), np.arange(5))
    assert order.tolist() == [1, 4, 3, 0]  # what has probability 0 is left out
    assert sums.tolist() == [-1.0, -1.0, -2.0, -3.0]


@given(st.lists(st.tuples(st.floats(-300.0, 0.0), st.integers(0, 4)), min_size=1, max_size=12))
def test_ranked_sums_are_those_of_plain_arithmetic(spellings):
    masses: dict[int, float] = {}
    for score, group in spellings:
        masses[group] = masses.get(group, 0.0) + math.exp(score)
    scores, groups = np.array([s for s, _ in spellings]), np.array([g for _, g in spellings], np.int32)
    order, sums = ranked(scores, groups)
    assert sums.tolist() == sorted(sums.tolist(), reverse=True)
    assert {int(groups[i]) for i in order} == set(masses)
    for index, total in zip(order.tolist(), sums.tolist(), strict=True):
        assert total == pytest.approx(math.log(masses[int(groups[index])]))
        assert scores[index] == max(s for s, g in spellings if g == groups[index])


@pytest.mark.parametrize(
    ("texts", "worth", "needed"), [(1, 0, 1), (1, 3, 3), (2, 0, 3), (3, 1, 4), (9, 0, 5), (1, 9, 5)]
)
def test_readings_are_needed_for_their_share_or_for_different_texts(texts, worth, needed):
    several = [reading(text, 0.0) for text in "aabcb"]
    assert readings_needed(several, texts, worth) == needed
