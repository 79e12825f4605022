"""Sharing updates: every batch of the plan belongs to one process of one update, whatever the number of processes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.batches.plan import EpochPlan
from asr.training.processes.share import SharedEpoch
from asr.training.processes.world import World


def plan_of(count, loads=()):
    batches = [[f"utterance-{number}"] for number in range(count)]
    return EpochPlan(batches, seconds=1.0 * count, padding=0.0, loads=loads)


def views(plan, size, processes):
    return [SharedEpoch(plan, size, World(rank, processes)) for rank in range(processes)]


@given(
    loads=st.lists(st.floats(0.1, 100), min_size=1, max_size=40),
    size=st.integers(1, 9),
    processes=st.integers(1, 5),
    first=st.integers(0, 10),
)
def test_from_any_update_on_each_batch_is_read_by_one_process_and_in_order(loads, size, processes, first):
    plan = plan_of(len(loads), loads)
    shared = views(plan, size, processes)
    first = min(first, len(shared[0]))
    read = [list(view.own_batches(first)) for view in shared]
    for mine in read:
        assert mine == sorted(mine, key=plan.batches.index)
    assert sorted(itertools.chain(*read)) == sorted(plan.batches[first * size :])


@given(count=st.integers(1, 40), size=st.integers(1, 9), processes=st.integers(1, 5))
def test_the_batches_of_an_update_do_not_depend_on_the_number_of_processes(count, size, processes):
    plan = plan_of(count)
    alone = SharedEpoch(plan, size, World())
    shared = views(plan, size, processes)
    for update in range(len(alone)):
        owned = sorted(place for view in shared for place in view.own(update))
        assert owned == alone.own(update)
        assert [list(view.batches(update)) for view in shared] == [list(alone.batches(update))] * processes
    assert [len(view) for view in shared] == [len(alone)] * processes


def test_an_epoch_whose_last_update_is_short_leaves_a_process_without_a_batch():
    first, second = views(plan_of(5), size=2, processes=2)
    assert [first.own(update) for update in range(3)] == [[0], [0], [0]]
    assert [second.own(update) for update in range(3)] == [[1], [1], []]


def test_what_is_read_is_what_the_updates_ask_for():
    for view in views(plan_of(11, loads=[5, 1, 1, 9, 2, 2, 2, 8, 3, 1, 1]), size=4, processes=3):
        asked = [view.batches(update)[place] for update in range(len(view)) for place in view.own(update)]
        assert asked == list(view.own_batches(0))


def test_the_longest_batch_of_an_update_is_a_process_s_only_one():
    first, second = views(plan_of(4, loads=[1.0, 10.0, 2.0, 3.0]), size=4, processes=2)
    assert first.own(0) == [1]
    assert second.own(0) == [0, 2, 3]


class Numbered:
    """A plan's batches that are found only when read, as those of tar shards; counts what was looked at."""

    def __init__(self, numbers):
        self.numbers = numbers

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, chosen):
        return Numbered(self.numbers[chosen]) if isinstance(chosen, slice) else self.numbers[chosen]


def test_one_process_passes_the_rest_of_the_plan_on_as_it_is():
    plan = EpochPlan(Numbered(range(10)), 1.0, 0.0)
    rest = SharedEpoch(plan, 3, World()).own_batches(2)
    assert isinstance(rest, Numbered)
    assert rest.numbers == range(6, 10)


@pytest.mark.parametrize("processes", [2, 3])
def test_without_loads_processes_take_turns(processes):
    plan = EpochPlan(Numbered(range(2 * processes)), 1.0, 0.0)
    for rank, view in enumerate(views(plan, processes, processes)):
        assert list(view.own_batches(0)) == [rank, rank + processes]


@given(count=st.integers(1, 30), size=st.integers(1, 9), processes=st.integers(1, 5))
def test_in_turns_a_process_keeps_to_its_own_numbers_whatever_the_loads(count, size, processes):
    plan = EpochPlan(Numbered(range(count)), 1.0, 0.0, loads=[1.0 + number for number in range(count)], in_turns=True)
    for rank, view in enumerate(views(plan, size, processes)):
        assert list(view.own_batches(0).numbers if processes == 1 else view.own_batches(0)) == list(
            range(rank, count, processes)
        )
