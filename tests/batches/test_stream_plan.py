"""The epoch of a set of shards: everyone once, the same on every machine, in bounded windows, from any position on."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_shards import shard_config, write_numbered

from asr.batches.stream_plan import PlannedBatches, StreamPlan, speeds_of_set
from asr.shards.index import ShardIndex

SIZES = [7, 12, 1, 30, 5, 9]


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shards")
    write_numbered(folder, SIZES)
    return ShardIndex.open(folder)


def contents(plan):
    """Every batch of an epoch in its order, as (shard, offset) of its utterances."""
    found = {}
    for lane in range(plan.lanes):
        for window in plan.windows(lane):
            places = list(zip(window.shards.tolist(), window.records["offset"].tolist(), strict=True))
            for number, chosen in zip(
                plan.numbers(lane, window.first, len(window.batches)), window.batches, strict=True
            ):
                assert int(number) not in found
                found[int(number)] = [places[position] for position in chosen]
    assert sorted(found) == list(range(len(found)))
    return [found[number] for number in range(len(found))]


@settings(max_examples=25, deadline=None)
@given(
    lanes=st.integers(1, 9),
    window=st.integers(1, 80),
    megabytes=st.sampled_from([0.003, 0.02, 64]),
    epoch=st.integers(0, 5),
)
def test_every_utterance_is_in_exactly_one_batch_whatever_the_bounds(index, lanes, window, megabytes, epoch):
    config = shard_config(shards={"lanes": lanes, "window_utterances": window, "window_mb": megabytes})
    plan = StreamPlan(index, config, epoch)
    everyone = [(s, int(o)) for s in range(len(SIZES)) for o in index.members(s)["offset"]]
    batches = contents(plan)
    assert sorted(place for batch in batches for place in batch) == everyone
    assert [len(batch) for batch in batches] == plan.totals.sizes.tolist()


def test_windows_respect_their_bounds(index):
    config = shard_config(shards={"lanes": 1, "window_utterances": 10, "window_mb": 0.012})
    windows = list(StreamPlan(index, config, 3).windows(0))
    sizes = [int(window.records["bytes"].sum()) for window in windows]
    assert max(sizes) <= 12_000
    assert max(len(window.records) for window in windows) <= 10
    # ... and are filled: no two neighbours would have fitted into one.
    for (a, first), (b, second) in zip(
        zip(sizes, windows, strict=True), list(zip(sizes, windows, strict=True))[1:], strict=False
    ):
        one_more = int(second.records["bytes"][0])
        assert a + one_more > 12_000 or len(first.records) == 10
        assert b > 0


def test_an_utterance_larger_than_the_window_is_a_window_of_its_own(index):
    config = shard_config(shards={"lanes": 2, "window_mb": 1e-6})
    assert {len(window.records) for window in StreamPlan(index, config, 0).windows(0)} == {1}


def test_of_features_at_several_speeds_a_window_counts_the_one_that_is_heard(index, monkeypatch):
    config = shard_config(shards={"lanes": 1, "window_utterances": 64, "window_mb": 0.012})
    once = [len(window.records) for window in StreamPlan(index, config, 3).windows(0)]
    monkeypatch.setattr(StreamPlan, "copies", 3)
    thrice = [len(window.records) for window in StreamPlan(index, config, 3).windows(0)]
    assert sum(once) == sum(thrice) == sum(SIZES)
    assert min(thrice[:-1]) > 2 * max(once[:-1])


def test_a_small_window_is_jittered_less_and_a_full_one_as_much_as_a_set(index):
    """How far batches of one are from the order of lengths, in a full window and in a twentieth of one."""

    def disorder(most):
        batching = {"buckets_jitter": 0.2, "utterances": 1, "shortest_first_epochs": 9}
        config = shard_config(batching=batching, shards={"lanes": 1, "window_utterances": most})
        (window, *_) = StreamPlan(index, config, 0).windows(0)
        seconds = np.array([window.seconds[batch].max() for batch in window.batches])
        return len(window.records), float(np.maximum.accumulate(seconds).sum() / seconds.sum() - 1)

    full, small = disorder(sum(SIZES)), disorder(20 * sum(SIZES))
    assert full[0] == small[0] == sum(SIZES)
    assert full[1] > 4 * small[1]


def test_the_order_depends_on_seed_and_epoch_alone(index):
    config = shard_config()
    assert contents(StreamPlan(index, config, 3)) == contents(StreamPlan(index, config, 3))
    assert contents(StreamPlan(index, config, 3)) != contents(StreamPlan(index, config, 4))
    other = config.model_copy(update={"seed": 2})
    assert contents(StreamPlan(index, config, 3)) != contents(StreamPlan(index, other, 3))


def test_batches_obey_the_bounds_and_gather_equal_lengths(index):
    config = shard_config(batching={"seconds": 1.0, "utterances": 4}, shards={"window_utterances": 64})
    plan = StreamPlan(index, config, 3)
    assert plan.totals.loads.max() <= 1.0 + 1e-6
    assert plan.totals.sizes.max() <= 4
    padding = 1 - plan.totals.seconds / plan.totals.loads.sum()
    assert padding < 0.2
    assert plan.totals.seconds == pytest.approx(index.entry.seconds)


def test_early_epochs_go_from_short_to_long_within_a_window(index):
    config = shard_config(batching={"shortest_first_epochs": 1, "buckets_jitter": 0.0}, shards={"lanes": 1})

    def longest(epoch):
        windows = StreamPlan(index, config, epoch).windows(0)
        return [[window.seconds[batch].max() for batch in window.batches] for window in windows]

    assert all(window == sorted(window) for window in longest(0))
    assert not all(window == sorted(window) for window in longest(1))


@pytest.mark.parametrize("ranks", range(1, 6))
@pytest.mark.parametrize("workers", range(1, 4))
def test_with_enough_lanes_a_shard_is_read_by_one_worker_of_one_rank(tmp_path, ranks, workers):
    """Equal shards, as many lanes as readers: who reads what does not overlap."""
    readers = ranks * workers
    write_numbered(tmp_path, [8] * (2 * readers))
    plan = StreamPlan(ShardIndex.open(tmp_path), shard_config(shards={"lanes": readers}), 5)
    read_by = {}
    for number, batch in enumerate(contents(plan)):
        rank, worker = number % ranks, number // ranks % workers
        for shard, _ in batch:
            read_by.setdefault(shard, set()).add((rank, worker))
    assert len(set(plan.totals.lanes.tolist())) == 1
    assert all(len(who) == 1 for who in read_by.values())
    assert len(read_by) == 2 * readers


def test_lanes_are_never_more_than_shards(index):
    assert StreamPlan(index, shard_config(shards={"lanes": 50}), 0).lanes == len(SIZES)


def test_a_part_of_a_plan_slices_like_a_list(index):
    plan = StreamPlan(index, shard_config(), 2)
    batches = PlannedBatches(plan)
    numbers = list(range(len(batches)))
    for chosen in (slice(3, None), slice(None, None, 2), slice(1, 9, 3), slice(100, None)):
        assert [batch.number for batch in batches[chosen]] == numbers[chosen]
    assert [batch.number for batch in batches[2:][1::2]] == numbers[2:][1::2]
    assert [len(batch) for batch in batches] == plan.totals.sizes.tolist()
    assert batches[-1].number == numbers[-1]
    with pytest.raises(IndexError):
        batches[len(batches)]


def test_speeds_of_audio_are_drawn_evenly_and_only_where_the_text_fits(tmp_path):
    """Records as an audio set would have them: what is drawn depends on id, seed and epoch."""
    write_numbered(tmp_path, [30, 30])
    index = ShardIndex.open(tmp_path)
    audio = index.entry.model_copy(update={"payload": "flac", "rate": 16000.0, "features": None})
    index = ShardIndex(index.location, audio, index.path)
    config = shard_config(augmentation={"speeds": [0.9, 1.0, 1.1], "first_epoch": 1})
    assert speeds_of_set(index, config) == [1.0, 0.9, 1.1]
    records = np.zeros(3000, index.type)
    records["id"] = np.random.default_rng(1).integers(2**63, size=3000)
    records["length"] = 16000
    plan = StreamPlan(index, config, 1)
    counts = np.bincount(plan._speeds(records), minlength=3)
    assert counts.min() > 900
    assert (plan._speeds(records) == plan._speeds(records[::-1])[::-1]).all()
    assert (plan._speeds(records) != StreamPlan(index, config, 2)._speeds(records)).any()
    assert (StreamPlan(index, config, 0)._speeds(records) == 0).all()
    records["needed"] = 49  # output frames of two: 49 at the recorded speed, 54 at 0.9, 44 at 1.1
    assert set(plan._speeds(records).tolist()) == {0, 1}
    records["needed"] = 500
    assert set(plan._speeds(records).tolist()) == {0}
