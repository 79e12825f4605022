"""The range test: its rates, its smoothing and what is read off a curve whose answer is known."""

import csv
import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.errors import TrainingError, UsageError
from asr.training.checks.learning_rate import DIVERGED, Trial, find_learning_rate, range_test, suggestions
from asr.training.step.update import UpdateResult


class Rehearsed:
    """Stands for an updater: answers with losses given beforehand, and remembers at which rates it was asked."""

    def __init__(self, losses, overflows=()):
        self.losses, self.overflows, self.asked = iter(losses), set(overflows), []

    def update(self, share, rate):
        names = [name for batch in share.batches for name in batch.ids]
        assert share.utterances == len(names)
        self.asked.append((rate, names, list(share.seeds)))
        loss = next(self.losses)
        overflow = len(self.asked) in self.overflows
        taken = math.isfinite(loss) and not overflow
        return UpdateResult(loss, 1.0, 0.5, 1.0, taken, overflow)


def endless():
    for number in itertools.count():
        yield Batch([f"u{number}"], torch.zeros(1, 2, 1), torch.tensor([2]), [[1]], 0.02)


def curve(function, count=101):
    """Trials at rates 1e-6 .. 1 whose smoothed loss is a function of log10 of the rate."""
    return [Trial(10.0**x, function(x), function(x), 0.0) for x in np.linspace(-6, 0, count)]


@pytest.mark.parametrize("centre", [-4.2, -3.0, -2.4])
def test_the_steepest_fall_of_a_known_curve(centre):
    """A sigmoid falls fastest at its centre; a wall from -1 on puts the minimum there."""
    steepest, tenth = suggestions(curve(lambda x: 4 / (1 + math.exp(5 * (x - centre))) + 20 * max(0.0, x + 1)))
    assert math.log10(steepest) == pytest.approx(centre, abs=0.061)
    assert math.log10(tenth) == pytest.approx(-2, abs=0.13)


def test_a_fall_in_the_first_updates_is_a_mean_of_too_few_and_not_believed():
    trials = curve(lambda x: 3 - 0.1 * x)
    trials[0] = Trial(1e-6, 50.0, 50.0, 0.0)
    assert suggestions(trials)[0] > 1e-6 * 10 ** (0.06 * 9)


@pytest.mark.parametrize("rising", [lambda x: 3 + x, lambda x: 2.0])
def test_a_loss_that_never_falls_suggests_nothing(rising):
    with pytest.raises(TrainingError, match="the loss fell at no learning rate"):
        suggestions(curve(rising))


def test_too_few_finite_losses_suggest_nothing():
    with pytest.raises(TrainingError, match="finite for 4 updates only"):
        suggestions(curve(lambda x: -x, count=4))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.floats(1.0, 3.5), min_size=1, max_size=40))
def test_the_smoothed_loss_is_the_weighted_mean_written_out(losses):
    trials = range_test(Rehearsed(losses), endless(), [0.1] * len(losses), 1, seed=1)
    assert [trial.loss for trial in trials] == losses
    for number, trial in enumerate(trials, start=1):
        shares = 0.9 ** np.arange(number - 1, -1, -1)
        assert trial.smoothed == pytest.approx(float(shares @ losses[:number] / shares.sum()))


def test_it_ends_where_the_smoothed_loss_has_diverged():
    trials = range_test(Rehearsed([1.0] * 20 + [100.0] * 20), endless(), [0.1] * 40, 1, seed=1)
    assert len(trials) == 21
    assert trials[-1].smoothed > DIVERGED


def test_it_ends_before_a_loss_that_is_not_finite():
    trials = range_test(Rehearsed([1.0, 1.0, math.nan, 1.0]), endless(), [0.1] * 4, 1, seed=1)
    assert len(trials) == 2


def test_a_float16_overflow_is_left_out_and_ends_nothing():
    trials = range_test(Rehearsed([1.0, 9.0, 2.0], overflows=[2]), endless(), [0.1, 0.2, 0.3], 1, seed=1)
    assert [(trial.learning_rate, trial.loss) for trial in trials] == [(0.1, 1.0), (0.3, 2.0)]


def test_accumulated_batches_make_one_update_with_a_seed_each():
    updater = Rehearsed([1.0, 1.0])
    range_test(updater, endless(), [0.1, 0.2], 2, seed=1)
    assert [names for _, names, _ in updater.asked] == [["u0", "u1"], ["u2", "u3"]]
    assert len({seed for _, _, seeds in updater.asked for seed in seeds}) == 4


def test_on_the_toy_task_it_writes_a_table_and_a_picture_and_no_checkpoint(toy_data, tmp_path):
    found = find_learning_rate(toy_config(), toy_data, tmp_path / "exp", updates=60, device="cpu", threads=1)
    assert sorted(path.name for path in (tmp_path / "exp").iterdir()) == ["learning_rate.png", "learning_rate.tsv"]
    assert found.picture.read_bytes().startswith(b"\x89PNG")
    with found.table.open() as stream:
        rows = list(csv.DictReader(stream, delimiter="\t"))
    rates = np.array([float(row["learning_rate"]) for row in rows])
    assert len(rows) == len(found.trials)
    np.testing.assert_allclose(np.diff(np.log10(rates)), 6 / 59, rtol=1e-4)  # exponential from 1e-6 towards 1
    assert rates[0] == 1e-6
    assert 1e-4 < found.tenth_of_minimum < 0.1  # what the toy task is trained with, 0.01, lies between
    assert 1e-4 < found.steepest < 0.5
    printed = found.lines(rows=5)
    assert len(printed) == 1 + 5 + 3
    assert f"{found.steepest:.2e}" in printed[-3]


def test_twice_the_same_test_gives_the_same_losses(toy_data, tmp_path):
    first, second = (
        find_learning_rate(toy_config(), toy_data, tmp_path / name, updates=12, highest=0.1, device="cpu", threads=1)
        for name in ("one", "two")
    )
    assert first.trials == second.trials


@pytest.mark.parametrize("wrong", [{"updates": 10}, {"lowest": 0.0}, {"lowest": 1.0, "highest": 0.1}])
def test_an_empty_range_is_a_usage_error(toy_data, tmp_path, wrong):
    with pytest.raises(UsageError, match="a rising range"):
        find_learning_rate(toy_config(), toy_data, tmp_path, **wrong)
