"""One frame of log-probabilities: probabilities, their sum, and the units worth trying."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.posteriors import exponentials, likeliest_unit, list_tokens


def computed(row: np.ndarray, threshold: float = -5.0) -> tuple[np.ndarray, float, float]:
    probs = np.full(len(row), 7.0, np.float32)
    total, passing = exponentials(row, probs, np.float32(threshold))
    return probs, float(total), float(passing)


@settings(deadline=None)  # compiling is slow
@given(st.lists(st.floats(-86.0, 0.0, width=32), min_size=1, max_size=100))
def test_probabilities_are_those_of_numpy_to_float32_precision(values):
    row = np.array(values, np.float32)
    probs, total, passing = computed(row)
    exact = np.exp(row.astype(np.float64))
    # the rounding of x log2(e) is relative to x, so small probabilities are a little less precise
    np.testing.assert_allclose(probs, exact, rtol=1e-5)
    np.testing.assert_allclose(probs[row > -10.0], exact[row > -10.0], rtol=1e-6)
    assert total == pytest.approx(exact.sum(), rel=1e-5)
    assert passing == (row >= -5.0).sum()


def test_what_float32_cannot_hold_is_zero():
    probs, total, _ = computed(np.array([0.0, -87.5, -1000.0, -np.inf], np.float32))
    assert probs.tolist() == [1.0, 0.0, 0.0, 0.0]
    assert total == 1.0


@pytest.mark.parametrize("bad", [np.nan, np.inf, 200.0, 5.0])
@pytest.mark.parametrize("place", [0, 15, 33])
def test_a_frame_that_is_no_distribution_has_no_sum_of_one(bad, place):
    row = np.full(34, -np.log(34.0), np.float32)
    row[place] = bad
    assert not abs(computed(row)[1] - 1.0) <= 0.5


@settings(deadline=None)  # compiling is slow
@given(st.lists(st.integers(-9, 0), min_size=1, max_size=300), st.integers(-8, -1))
def test_units_are_listed_by_falling_probability_without_the_blank(values, threshold):
    row = np.array(values, np.float32)
    tokens = np.zeros(len(row), np.int32)
    count = list_tokens(tokens, row, np.float32(threshold))
    listed = tokens[:count].tolist()
    assert sorted(listed) == [token for token in range(1, len(row)) if row[token] >= threshold]
    assert [row[token] for token in listed] == sorted((row[token] for token in listed), reverse=True)


@pytest.mark.parametrize(
    ("row", "unit"), [([-0.1, -3.0, -4.0], 0), ([-2.0, -3.0, -0.5], 2), ([-1.0, -1.0], 0), ([0.0], 0)]
)
def test_the_likeliest_unit_must_beat_the_blank(row, unit):
    assert likeliest_unit(np.array(row, np.float32)) == unit
