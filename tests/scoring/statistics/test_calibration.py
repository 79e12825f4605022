"""Confidences that can and cannot be believed."""

import math

import numpy as np
import pytest

import asr
from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.statistics.calibration import (
    calibration,
    measure,
    normalised_cross_entropy,
    rejection_curve,
    reliability,
)


def words(*pairs: tuple[str, float]) -> list[Word]:
    return [Word(text, 0.0, 0.0, confidence) for text, confidence in pairs]


def test_bins_and_error_by_hand() -> None:
    """Bin 0.5-0.6: 4 words, confidence 0.5, half right. Bin 0.9-1: 2 words, confidence 0.95, both right."""
    confidence = np.array([0.5, 0.5, 0.5, 0.5, 0.9, 1.0])
    right = np.array([True, False, True, False, True, True])
    bins = reliability(confidence, right)
    assert [(b.low, b.words, b.accuracy) for b in bins] == [(0.5, 4, 0.5), (0.9, 2, 1.0)]
    assert measure(confidence, right).error == pytest.approx(2 * 0.05 / 6)


def test_confidences_that_are_frequencies_have_no_error() -> None:
    draw = np.random.default_rng(1)
    confidence = draw.uniform(0, 1, 200_000)
    honest = measure(confidence, draw.uniform(0, 1, 200_000) < confidence)
    assert honest.error < 0.01
    assert honest.entropy > 0.2
    boastful = measure(np.full(1000, 0.99), np.arange(1000) % 2 == 0)
    assert boastful.error == pytest.approx(0.49)
    assert boastful.entropy < 0


def test_normalised_cross_entropy_by_hand() -> None:
    """NIST's definition: (H - H_conf) / H; the accuracy itself as confidence scores 0, certainty that is right 1."""
    right = np.array([True, True, True, False])
    assert normalised_cross_entropy(np.full(4, 0.75), right) == pytest.approx(0)
    assert normalised_cross_entropy(right.astype(float), right) == pytest.approx(1, abs=1e-5)
    whole = -(0.75 * math.log2(0.75) + 0.25 * math.log2(0.25))
    told = -(3 * math.log2(0.8) + math.log2(0.6)) / 4
    assert normalised_cross_entropy(np.array([0.8, 0.8, 0.8, 0.4]), right) == pytest.approx((whole - told) / whole)
    assert normalised_cross_entropy(np.array([0.5]), np.array([True])) == 0


def test_rejecting_the_least_confident_words() -> None:
    confidence = np.linspace(0, 0.99, 100)
    curve = dict(rejection_curve(confidence, confidence >= 0.1))
    assert curve[0.0] == pytest.approx(0.1)
    assert curve[0.05] == pytest.approx(5 / 95)
    assert curve[0.1] == 0.0


def test_hits_are_right_and_substitutions_and_insertions_wrong() -> None:
    score = asr.score({"u1": "a b", "u2": "c", "u3": "d"}, {"u1": "a x y", "u2": "c"})
    result = calibration(score, {"u1": words(("a", 0.9), ("x", 0.2), ("y", 0.1)), "u2": words(("c", 0.8))})
    assert result is not None
    assert (result.words, result.accuracy, result.skipped) == (4, 0.5, 0)
    assert result.confidence == pytest.approx(0.5)


def test_words_without_confidence_and_words_that_do_not_fit_are_left_out() -> None:
    score = asr.score({"u1": "can not", "u2": "c d"}, {"u1": "can't", "u2": "c d"}, profile="english")
    result = calibration(score, {"u1": words(("can't", 0.9)), "u2": words(("c", 0.5), ("d", math.nan))})
    assert result is not None
    assert (result.words, result.skipped) == (1, 1)
    assert calibration(score, {}) is None


def test_confidence_outside_0_to_1_names_the_utterance() -> None:
    score = asr.score({"u1": "a", "u2": "b"}, {"u1": "a", "u2": "b"})
    with pytest.raises(ScoringError, match="u2: has a confidence of -3"):
        calibration(score, {"u1": words(("a", 0.5)), "u2": words(("b", -3.0))})
