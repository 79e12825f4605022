"""The score that a prefix must have to stay in the beam: equal to sorting, whatever the scores are."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.search.pruning import BINS, beam_cut, highest

positive = st.floats(1e-300, 1e300, allow_nan=False)
few_values = st.sampled_from([1.0, 0.5, 0.25, 1e-5, 1e-200])


def cut_of(values: list[float], beam: int) -> float:
    bins = np.zeros(BINS, np.int32)
    scratch = np.zeros(len(values))
    ranks = np.array(values)
    found = beam_cut(ranks, len(ranks), beam, ranks.max(), bins, scratch)
    assert not bins.any()  # the next frame finds an empty histogram
    return float(found)


@pytest.mark.parametrize("values", [positive, few_values])
def test_the_cut_is_the_score_at_that_place_in_the_sorted_list(values):
    @settings(deadline=None)  # compiling is slow
    @given(st.lists(values, min_size=1, max_size=120), st.integers(1, 100))
    def check(scores, beam):
        ranked = sorted(scores, reverse=True)
        expected = ranked[beam - 1] if len(ranked) > beam else 0.0
        assert cut_of(scores, beam) == expected

    check()


def test_scores_of_zero_take_no_place():
    assert cut_of([0.0, 1.0, 0.0, 0.5], 3) == 0.0
    assert cut_of([0.0, 1.0, 0.0, 0.5], 2) == 0.5


@settings(deadline=None)  # compiling is slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.data())
def test_quickselect_finds_the_value_of_a_rank(values, data):
    rank = data.draw(st.integers(1, len(values)))
    assert highest(np.array(values), len(values), rank) == sorted(values, reverse=True)[rank - 1]
