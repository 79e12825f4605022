"""How much work a training is: counted exactly from the plans, timed by a line through a few measurements."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests_toy import toy_config

from asr.batches.plan import EpochPlan
from asr.training.cost.duration import UpdateTimes, count_work, fit_times


class Planned:
    """A training set whose epochs are written down: loads of the batches of each."""

    def __init__(self, *epochs, padding=0.2):
        self.epochs, self.padding, self.asked = epochs, padding, []

    def plan(self, epoch):
        self.asked.append(epoch)
        loads = self.epochs[epoch]
        return EpochPlan([["id"]] * len(loads), sum(loads) * (1 - self.padding), self.padding, loads)


def test_every_epoch_is_counted():
    examples = Planned([4.0, 5.0, 6.0], [7.0, 8.0], [5.0, 5.0, 4.0])
    work = count_work(examples, toy_config(training={"epochs": 3}), most_seconds=60)
    assert (work.updates, work.steps, work.exact) == ([3, 2, 3], 8, True)
    assert work.padded == pytest.approx([15, 15, 14])
    assert work.seconds == pytest.approx([12, 12, 11.2])
    assert work.padding == pytest.approx(0.2)
    assert work.largest == 8.0


@pytest.mark.parametrize(("accumulate", "updates"), [(1, 5), (2, 3), (5, 1), (9, 1)])
def test_an_update_takes_several_batches(accumulate, updates):
    config = toy_config(training={"epochs": 1, "accumulate": accumulate})
    assert count_work(Planned([1.0] * 5), config, most_seconds=60).updates == [updates]


def test_when_planning_takes_too_long_two_epochs_stand_for_all():
    examples = Planned([1.0], [9.0, 9.0], [2.0, 2.0], [9.0, 9.0])
    config = toy_config(training={"epochs": 4}, augmentation={"first_epoch": 2}, batching={"shortest_first_epochs": 1})
    work = count_work(examples, config, most_seconds=0)
    assert examples.asked == [0, 2]
    assert (work.updates, work.exact) == ([1, 1, 2, 2], False)


def test_a_training_that_ends_before_augmentation_needs_one_plan():
    examples = Planned([1.0], [2.0])
    config = toy_config(training={"epochs": 2}, augmentation={"first_epoch": 9})
    assert count_work(examples, config, most_seconds=0).updates == [1, 1]
    assert examples.asked == [0]


def test_a_set_that_does_not_tell_its_loads_may_fill_its_batches():
    class Silent(Planned):
        def plan(self, epoch):
            plan = super().plan(epoch)
            return EpochPlan(plan.batches, plan.seconds, plan.padding)

    config = toy_config(training={"epochs": 1}, batching={"seconds": 33.0})
    assert count_work(Silent([1.0]), config, most_seconds=60).largest == 33.0


@given(
    fixed=st.floats(0, 1),
    per_second=st.floats(1e-4, 1),
    padded=st.lists(st.floats(1, 100), min_size=2, max_size=9, unique=True),
)
def test_exact_times_give_back_the_line(fixed, per_second, padded):
    spread = max(padded) - min(padded)
    times = [fixed + per_second * seconds for seconds in padded]
    line = fit_times(padded, times)
    for seconds in (min(padded), max(padded)):
        assert line.seconds(1, seconds) == pytest.approx(fixed + per_second * seconds, rel=1e-3)
    if spread > 1:
        assert line.per_second == pytest.approx(per_second, rel=1e-2, abs=1e-6)


@given(st.lists(st.tuples(st.floats(0.1, 100), st.floats(1e-4, 10)), min_size=1, max_size=12))
def test_whatever_was_measured_nothing_takes_negative_time(measured):
    line = fit_times(*zip(*measured, strict=True))
    assert line.fixed >= 0
    assert line.per_second >= 0
    assert line.seconds(10, 0) >= 0


def test_noise_is_averaged_as_numpy_does():
    generator = np.random.default_rng(5)
    padded = generator.uniform(5, 60, 40)
    times = 0.1 + 0.02 * padded + generator.normal(0, 0.02, 40)
    line = fit_times(padded, times)
    slope, constant = np.polyfit(padded, times, 1)
    assert (line.per_second, line.fixed) == pytest.approx((slope, constant))


def test_updates_of_one_length_only_are_taken_as_proportional():
    assert fit_times([10.0, 10.0], [1.0, 3.0]) == UpdateTimes(0.0, pytest.approx(0.2))


def test_longer_batches_measured_as_faster_give_a_constant():
    assert fit_times([1.0, 2.0], [4.0, 2.0]) == UpdateTimes(3.0, 0.0)


def test_an_epoch_is_its_updates_and_its_audio():
    assert UpdateTimes(0.5, 0.01).seconds(updates=10, padded=300.0) == pytest.approx(8.0)
