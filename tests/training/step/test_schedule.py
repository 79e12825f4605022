"""The learning rate: rises, peaks, falls, and ends where it should."""

import math

import pytest

from asr.config.sections import TrainingConfig
from asr.training.step.schedule import learning_rate

CONFIG = TrainingConfig(learning_rate=2e-3, warmup_share=0.1, final_share=0.01)


def test_hand_computed_points():
    assert learning_rate(0.05, CONFIG) == pytest.approx(1e-3)
    assert learning_rate(0.1, CONFIG) == pytest.approx(2e-3)
    assert learning_rate(0.55, CONFIG) == pytest.approx(2e-5 + (2e-3 - 2e-5) / 2)
    assert learning_rate(1.0, CONFIG) == pytest.approx(2e-5)


def test_it_rises_and_then_only_falls():
    rates = [learning_rate(step / 1000, CONFIG) for step in range(1, 1001)]
    peak = rates.index(max(rates))
    assert peak == 99
    assert rates[: peak + 1] == sorted(rates[: peak + 1])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)


def test_without_warm_up_it_begins_at_the_peak():
    config = CONFIG.model_copy(update={"warmup_share": 0.0})
    assert math.isclose(learning_rate(1e-9, config), 2e-3)
