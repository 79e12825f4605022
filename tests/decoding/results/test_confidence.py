"""Word confidence: posteriors from n-best lists, a calibration that recovers known odds, and its file."""

import numpy as np
import pytest

from asr.decoding.results.confidence import (
    ConfidenceModel,
    fit_confidence,
    log_odds,
    right_words,
    word_features,
    word_posteriors,
)
from asr.decoding.results.readings import Reading
from asr.errors import DecodingError
from asr.scoring.statistics.calibration import normalised_cross_entropy


def reading(text: str, prob: float) -> Reading:
    return Reading([], text, float(np.log(prob)), 0.0)


RIVALS = [reading("the cat sat", 0.6), reading("a cat sat", 0.2), reading("the cat", 0.1), reading("the bat sat", 0.1)]


def test_a_words_posterior_is_the_mass_of_the_readings_that_have_it_there():
    np.testing.assert_allclose(word_posteriors(["the", "cat", "sat"], RIVALS), [0.8, 0.9, 0.9], atol=1e-12)


def test_features_are_log_odds_of_posterior_mean_peak_and_lowest_peak():
    peaks = np.log(np.array([0.9, 0.4, 0.9, 0.5, 0.5]))
    words = [("the", 0, 2), ("cat", 2, 3), ("sat", 3, 5)]
    features = word_features(words, RIVALS, peaks)
    odds = [[0.8, 0.6, 0.4], [0.9, 0.9, 0.9], [0.9, 0.5, 0.5]]
    np.testing.assert_allclose(features, np.log(np.array(odds) / (1 - np.array(odds))), atol=1e-9)


def test_right_words_are_those_of_the_best_alignment():
    assert right_words(["a", "b", "c", "d"], ["a", "x", "c", "d"]).tolist() == [True, False, True, True]
    assert right_words(["a", "b", "b", "c"], ["a", "b", "c"]).sum() == 3
    assert right_words([], ["a"]).tolist() == []
    assert right_words(["a"], []).tolist() == [False]


def test_certainty_is_finite():
    assert np.isfinite(log_odds(np.array([0.0, 1.0]))).all()
    assert 0.99 < ConfidenceModel().confidence(np.full((1, 3), 12.0))[0] <= 1.0


def test_the_fit_recovers_the_odds_that_made_the_data():
    rng = np.random.default_rng(0)
    features = rng.normal(0.0, 1.5, (20_000, 3))
    true = ConfidenceModel(0.3, 1.0, 0.5, -0.4)
    correct = rng.random(20_000) < true.confidence(features)
    fitted = fit_confidence(features, correct)
    got = [fitted.bias, fitted.posterior, fitted.mean_peak, fitted.lowest_peak]
    np.testing.assert_allclose(got, [0.3, 1.0, 0.5, -0.4], atol=0.08)
    assert fitted.words == 20_000


def test_fitting_makes_confidences_better_than_the_overall_share():
    rng = np.random.default_rng(1)
    features = rng.normal(1.0, 2.0, (4000, 3))
    correct = rng.random(4000) < 1.0 / (1.0 + np.exp(-(features[:, 0] - 1.0)))
    fitted = fit_confidence(features[:2000], correct[:2000])
    after = normalised_cross_entropy(fitted.confidence(features[2000:]), correct[2000:])
    before = normalised_cross_entropy(ConfidenceModel().confidence(features[2000:]), correct[2000:])
    assert after > max(before, 0.1)


def test_words_that_are_all_right_give_finite_weights():
    fitted = fit_confidence(np.full((50, 3), 5.0), np.ones(50, bool))
    assert 0.9 < fitted.confidence(np.full((1, 3), 5.0))[0] < 1.0
    with pytest.raises(DecodingError, match="no words"):
        fit_confidence(np.empty((0, 3)), np.empty(0, bool))


def test_the_calibration_is_kept_in_a_file(tmp_path):
    model = ConfidenceModel(0.1, 0.2, 0.3, 0.4, 99)
    model.save(tmp_path / "confidence.json")
    assert ConfidenceModel.load(tmp_path / "confidence.json") == model
    for content in ("{}x", '{"bias": "high"}', '{"weight": 1}', "[1]", '{"bias": NaN}'):
        (tmp_path / "bad.json").write_text(content)
        with pytest.raises(DecodingError, match="calibration"):
            ConfidenceModel.load(tmp_path / "bad.json")
