"""Batches: bounds, buckets, and a plan that depends on nothing but names, settings, seed and epoch."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.batches.plan import Item, cut, deal, padded_seconds, plan_epoch, plan_in_order
from asr.config.sections import BatchingConfig
from asr.errors import TrainingError

CONFIG = BatchingConfig(seconds=20.0, utterances=6, shortest_first_epochs=2)


def corpus(count=200, seed=0):
    lengths = np.random.default_rng(seed).gamma(4.0, 0.8, count) + 0.2
    return [Item(f"utt{index:03d}", min(float(length), 19.0)) for index, length in enumerate(lengths)]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.floats(0.1, 50.0), max_size=60), st.floats(1.0, 60.0), st.integers(1, 9))
def test_cut_covers_everything_once_and_keeps_its_bounds(lengths, seconds, utterances):
    batches = cut(np.array(lengths), seconds, utterances)
    assert [index for begin, end in batches for index in range(begin, end)] == list(range(len(lengths)))
    for begin, end in batches:
        count = end - begin
        assert 1 <= count <= utterances
        assert count == 1 or max(lengths[begin:end]) * count <= seconds


@pytest.mark.parametrize("epoch", [0, 1, 2, 7])
def test_every_utterance_comes_once_an_epoch(epoch):
    items = corpus()
    plan = plan_epoch(items, CONFIG, seed=1, epoch=epoch)
    assert sorted(name for batch in plan for name in batch) == sorted(item.id for item in items)


def test_first_epochs_go_from_short_to_long_and_later_ones_are_shuffled():
    items = corpus()
    seconds = {item.id: item.seconds for item in items}
    longest = [max(seconds[name] for name in batch) for batch in plan_epoch(items, CONFIG, 1, 0)]
    rank = np.argsort(np.argsort(longest))
    assert np.corrcoef(rank, np.arange(len(rank)))[0, 1] > 0.95
    shuffled = [max(seconds[name] for name in batch) for batch in plan_epoch(items, CONFIG, 1, 2)]
    assert abs(np.corrcoef(np.argsort(np.argsort(shuffled)), np.arange(len(shuffled)))[0, 1]) < 0.5


def test_the_plan_depends_only_on_names_seed_and_epoch():
    items = corpus()
    plan = plan_epoch(items, CONFIG, seed=1, epoch=3)
    assert plan == plan_epoch(list(reversed(items)), CONFIG, seed=1, epoch=3)
    assert plan != plan_epoch(items, CONFIG, seed=2, epoch=3)
    assert plan != plan_epoch(items, CONFIG, seed=1, epoch=4)


def padding_share(items, plan):
    """Share of a plan's frames that is padding, 0..1."""
    seconds = {item.id: item.seconds for item in items}
    return 1 - sum(seconds[name] for batch in plan for name in batch) / sum(padded_seconds(items, plan))


def test_similar_lengths_travel_together():
    items = corpus(1000)
    bucketed = padding_share(items, plan_epoch(items, CONFIG, 1, 5))
    unsorted = padding_share(items, [[item.id for item in items[i : i + 6]] for i in range(0, 1000, 6)])
    assert bucketed < 0.08 < 0.3 < unsorted


def test_an_utterance_longer_than_a_batch_is_named():
    with pytest.raises(TrainingError, match=r"giant.*25\.0 s long.*raise batching\.seconds"):
        plan_epoch([*corpus(), Item("giant", 25.0)], CONFIG, 1, 0)


def test_inference_batches_are_sorted_and_whole():
    items = corpus(50)
    flat = [name for batch in plan_in_order(items, CONFIG) for name in batch]
    seconds = {item.id: item.seconds for item in items}
    assert [seconds[name] for name in flat] == sorted(seconds.values())


@given(loads=st.lists(st.floats(0.01, 1000), max_size=30), ranks=st.integers(1, 8))
def test_dealing_leaves_no_process_further_behind_than_its_last_batch(loads, ranks):
    """Graham's bound: the most loaded process has at most a mean share and one batch."""
    owners = deal(loads, ranks)
    assert len(owners) == len(loads)
    assert all(0 <= owner < ranks for owner in owners)
    work = [sum(load for load, owner in zip(loads, owners, strict=True) if owner == rank) for rank in range(ranks)]
    assert max(work) <= sum(loads) / ranks + max(loads, default=0.0) + 1e-6


def test_dealing_gives_every_process_a_batch_where_there_are_enough():
    assert sorted(deal([3.0, 1.0, 2.0], 3)) == [0, 1, 2]
    assert deal([0.0, 0.0], 2) == [0, 1]  # also where batches weigh nothing
    assert deal([], 2) == []


def test_padded_seconds_count_every_row_as_long_as_the_longest():
    items = [Item("a", 1.0), Item("b", 2.5), Item("c", 4.0)]
    assert padded_seconds(items, [["a", "b"], ["c"]]) == [5.0, 4.0]


def mean_lengths(plan, items):
    seconds = {item.id: item.seconds for item in items}
    return [float(np.mean([seconds[name] for name in batch])) for batch in plan]


def test_runs_of_batches_kept_together_are_of_like_length_and_shuffled_as_a_whole():
    items, together = corpus(), 5
    plain = plan_epoch(items, CONFIG, seed=1, epoch=5)
    plan = plan_epoch(items, CONFIG.model_copy(update={"together": together}), seed=1, epoch=5)
    assert sorted(map(sorted, plan)) == sorted(map(sorted, plain)), "the batches themselves are the same"
    assert len(plan) % together, "the last run must be a short one for this test"
    spreads = [
        np.mean(
            [np.ptp(mean_lengths(each[begin : begin + together], items)) for begin in range(0, len(plan), together)]
        )
        for each in (plain, plan)
    ]
    assert spreads[1] < spreads[0] / 3
    lengths = mean_lengths(plan, items)
    firsts = lengths[: len(plan) - len(plan) % together : together]
    assert firsts != sorted(firsts), "the runs are shuffled"
    assert min(lengths[-(len(plan) % together) :]) > max(lengths[: -(len(plan) % together)]) - 1.0, "short run last"


@pytest.mark.parametrize("together", [1, 3, 1000])
def test_every_utterance_comes_once_also_with_batches_together(together):
    items = corpus()
    plan = plan_epoch(items, CONFIG.model_copy(update={"together": together}), seed=1, epoch=3)
    assert sorted(name for batch in plan for name in batch) == sorted(item.id for item in items)
