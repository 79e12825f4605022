"""The score that a prefix must have to stay in the beam: equal to sorting, whatever the scores are."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.search.pruning import highest


@settings(deadline=None)  # compiling is slow
@given(st.lists(st.floats(0, 1), min_size=1, max_size=80), st.data())
def test_quickselect_finds_the_value_of_a_rank(values, data):
    rank = data.draw(st.integers(1, len(values)))
    assert highest(np.array(values), len(values), rank) == sorted(values, reverse=True)[rank - 1]
