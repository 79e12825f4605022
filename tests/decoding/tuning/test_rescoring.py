"""Rescoring n-best lists: scores by hand, weights found again."""

import numpy as np
import pytest
import torch

from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.tuning.rescoring import (
    RescoringWeights,
    lstm_scores,
    rescore,
    tune_weights,
    word_errors,
)
from asr.errors import DecodingError
from asr.lm.lstm import LstmLanguageModel, LstmLmConfig, LstmNetwork

READINGS = [
    Hypothesis("a b", -1.0, acoustic_score=-1.0, lm_score=-4.0),
    Hypothesis("a c d", -1.5, acoustic_score=-1.5, lm_score=-3.0),
]


def test_scores_are_the_weighted_sum():
    best, second = rescore(READINGS, [-6.0, -2.0], RescoringWeights(ngram=0.5, lstm=0.25, beta=0.1))
    assert best.text == "a c d"
    assert best.score == pytest.approx(-1.5 - 0.5 * 3 - 0.25 * 2 + 0.1 * 3)
    assert second.score == pytest.approx(-1.0 - 0.5 * 4 - 0.25 * 6 + 0.1 * 2)
    assert best.acoustic_score == -1.5


def test_no_weights_is_the_acoustic_order_and_equals_keep_theirs():
    assert [r.text for r in rescore(READINGS, [0, 0], RescoringWeights(0, 0, 0))] == ["a b", "a c d"]
    same = [Hypothesis("x", 0.0), Hypothesis("y", 0.0)]
    assert [r.text for r in rescore(same, [0, 0], RescoringWeights())] == ["x", "y"]


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [("", "", 0), ("a", "", 1), ("", "a b", 2), ("a b c", "a x c", 1), ("a b c", "b c d", 2)],
)
def test_word_errors(reference, hypothesis, errors):
    assert word_errors(reference, hypothesis) == errors


def test_tuning_finds_the_model_that_knows():
    """The LSTM scores are right, the n-gram scores mislead: only weight on the LSTM helps."""
    draw = np.random.default_rng(0)
    lists, lstm, references = [], [], []
    for _ in range(20):
        right, wrong = Hypothesis("a b", 0, acoustic_score=draw.normal(), lm_score=-3.0), None
        wrong = Hypothesis("a x", 0, acoustic_score=right.acoustic_score + 0.5, lm_score=-1.0)
        lists.append([wrong, right])
        lstm.append([-4.0, -1.0])
        references.append("a b")
    tuned = tune_weights(lists, lstm, references)
    assert (tuned.errors, tuned.fewest, tuned.errors_before, tuned.reference_words) == (0, 0, 20, 40)
    weights = tuned.weights
    assert 3.0 * weights.lstm - 2.0 * weights.ngram > 0.5  # what is needed to overcome the acoustic scores
    assert weights.beta == 1.0  # all readings have two words: any bonus will do, so the middle of those tried
    best = [rescore(readings, scores, weights)[0].text for readings, scores in zip(lists, lstm, strict=True)]
    assert best == references


def test_weights_that_change_nothing_are_the_middle_of_those_tried():
    tuned = tune_weights([[Hypothesis("a", 0)]], [[-1.0]], ["a"], [0.0, 0.5, 1.0], [0.2, 0.4, 0.6], [-1.0, 0.0, 1.0])
    assert tuned.weights == RescoringWeights(0.5, 0.4, 0.0)
    assert tuned.alike == 27


def test_a_lucky_setting_does_not_win_over_its_betters():
    """An utterance that only a huge LSTM weight gets right, beside many that moderate weights get right as well."""
    lists, lstm = [], []
    for index in range(12):
        need = 1.45 if index == 0 else 0.05 + 0.05 * index  # weight of the LSTM beyond which the right one wins
        lists.append([Hypothesis("a x", 0, acoustic_score=need), Hypothesis("a b", 0, acoustic_score=0.0)])
        lstm.append([-1.0, 0.0])
    tuned = tune_weights(lists, lstm, ["a b"] * 12, [0.0], beta_grid=[0.0])
    assert tuned.fewest == 0
    assert tuned.errors == 1
    assert 0.65 < tuned.weights.lstm < 1.4


@pytest.mark.parametrize(
    ("lists", "lstm", "references"), [([], [], []), ([[]], [[]], ["a"]), ([READINGS], [[0, 0]], [])]
)
def test_tuning_on_broken_input_is_an_error(lists, lstm, references):
    with pytest.raises(DecodingError, match="n-best lists"):
        tune_weights(lists, lstm, references)


def small_lstm(unit):
    config = LstmLmConfig(unit=unit, embedding=3, hidden=3, layers=1)
    torch.manual_seed(0)
    words = ["<unk>", "<s>", "</s>", "a", "b", "<space>"]
    return LstmLanguageModel(words, LstmNetwork(config, len(words)), config)


def test_lstm_scores_every_reading_of_every_list():
    lists = [READINGS, [Hypothesis("b", 0)]]
    words, characters = small_lstm("words"), small_lstm("characters")
    assert [len(scores) for scores in lstm_scores(lists, words)] == [2, 1]
    assert lstm_scores(lists, words)[1][0] == pytest.approx(words.score([["b"]])[0], abs=1e-5)
    assert lstm_scores(lists, characters)[0][0] == pytest.approx(characters.score([["a", "<space>", "b"]])[0], abs=1e-5)
    with pytest.raises(DecodingError, match="units"):
        lstm_scores(lists, small_lstm("units"))
