"""What compiled code cannot say in Python."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.kernels.compile import bits_set, kernel, prefetch


@kernel
def count_bits(bits):
    return bits_set(bits)


@kernel
def sum_fetched_ahead(values):
    total = 0.0
    for index in range(values.shape[0]):
        prefetch(values, index + 8)  # also beyond the end: it is no access
        total += values[index]
    return total


@settings(deadline=None)  # compiling is slow
@given(st.integers(0, 2**64 - 1))
def test_bits_are_counted(bits):
    assert count_bits(np.uint64(bits)) == bin(bits).count("1")


def test_fetching_ahead_changes_nothing():
    values = np.random.default_rng(1).random(1000)
    before = values.copy()
    assert sum_fetched_ahead(values) == sum(before.tolist())
    np.testing.assert_array_equal(values, before)
