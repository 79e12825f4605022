"""An epoch's batches: names found when asked for, from any position on, and parts of a plan."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.batches.plan import Chosen, NamedBatches, arrange_epoch
from asr.config.sections import BatchingConfig

NAMES = [f"u{number}" for number in range(9)]
ROWS = np.array([3, 1, 0, 2, 8, 7, 6, 5, 4], dtype=np.uint8)
BATCHES = NamedBatches(NAMES, ROWS, np.array([[4, 6], [0, 3], [3, 4], [6, 9]]))
LISTS = [["u8", "u7"], ["u3", "u1", "u0"], ["u2"], ["u6", "u5", "u4"]]


def test_batches_come_in_the_order_of_their_bounds():
    assert list(BATCHES) == LISTS
    assert len(BATCHES) == 4
    assert BATCHES[-1] == LISTS[-1]


@given(st.slices(4))
def test_a_slice_is_a_plan_again(part):
    assert list(BATCHES[part]) == LISTS[part]
    assert list(BATCHES[part][::-1]) == LISTS[part][::-1]


def test_past_the_end_is_an_index_error():
    with pytest.raises(IndexError):
        BATCHES[4]


@given(st.lists(st.integers(0, 3), max_size=6), st.slices(3))
def test_chosen_batches_are_those_at_their_places(places, part):
    chosen = Chosen(BATCHES, places)
    assert list(chosen) == [LISTS[place] for place in places]
    assert list(chosen[part]) == [LISTS[place] for place in places[part]]


@given(st.lists(st.floats(0.1, 10.0), max_size=40), st.integers(0, 3), st.integers(1, 4))
def test_an_arrangement_names_everyone_once_and_tells_what_each_batch_takes(seconds, epoch, together):
    names = [f"utt{number:02d}" for number in range(len(seconds))]
    config = BatchingConfig(seconds=20.0, utterances=4, shortest_first_epochs=1, together=together)
    plan = arrange_epoch(np.array(seconds), names, config, 1, epoch)
    batches = list(NamedBatches.of(names, plan))
    assert sorted(name for batch in batches for name in batch) == names
    length = dict(zip(names, seconds, strict=True))
    assert plan.loads.tolist() == [max(length[name] for name in batch) * len(batch) for batch in batches]
