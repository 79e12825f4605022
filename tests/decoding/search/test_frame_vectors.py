"""A frame's numbers in vector registers: every length, also those that do not fill a register, against NumPy."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.search import frame_vectors
from asr.decoding.search.frame_vectors import SOME
from asr.decoding.search.vector_code import ESTIMATE_ERROR

# More than one step of the loops, and what is left over.
ROWS = st.lists(st.floats(-120.0, 0.0, width=32), min_size=1, max_size=100)


@numba.njit
def run_sift(row, first, threshold, listed):
    return frame_vectors.sift(row, first, threshold, listed)


@numba.njit
def run_exponentials(exponents, count, results):
    return frame_vectors.exponentials(exponents, count, results)


@numba.njit
def run_sum(row):
    return frame_vectors.sum_of_exponentials(row)


@numba.njit
def run_list_products(values, count, factor, floor, listed):
    return frame_vectors.list_products(values, count, factor, floor, listed)


def sifted(row: np.ndarray, threshold: float, first: int = 1) -> tuple[list[int], float]:
    listed = np.zeros(len(row), np.uint32)
    found, others = run_sift(row, first, np.float32(threshold), listed)
    return listed[:found].tolist(), float(others)


def computed(exponents: np.ndarray) -> tuple[np.ndarray, bool]:
    results = np.full(len(exponents) + SOME, 7.0)
    small = run_exponentials(exponents, len(exponents), results)
    return results[: len(exponents)], bool(small)


@settings(deadline=None)  # compiling is slow
@given(ROWS, st.integers(-8, 0))
def test_units_at_or_above_the_threshold_are_listed_in_order(values, threshold):
    row = np.array(values, np.float32).round(0)  # some are equal to the threshold
    listed, _ = sifted(row, threshold)
    assert listed == [token for token in range(1, len(row)) if row[token] >= threshold]


@settings(deadline=None)
@given(ROWS, st.integers(-8, 0))
def test_the_sum_of_the_others_is_estimated_within_its_error(values, threshold):
    row = np.array(values, np.float32)
    exact = np.exp(row[1:][row[1:] < threshold].astype(np.float64)).sum()
    assert sifted(row, threshold)[1] == pytest.approx(exact, rel=ESTIMATE_ERROR, abs=1e-35)


def test_no_single_estimate_is_further_off_than_its_error():
    row = np.linspace(-80.0, -1e-3, 20_011).astype(np.float32)
    single = [sifted(row[place : place + 1], 0.0, 0)[1] for place in range(len(row))]
    errors = np.array(single) / np.exp(row.astype(np.float64)) - 1.0
    assert -ESTIMATE_ERROR < errors.min() < -0.025  # the bound is not a loose one
    assert 0.025 < errors.max() < ESTIMATE_ERROR


@pytest.mark.parametrize("place", [0, 15, 31, 33])
def test_what_is_not_a_number_is_found_whatever_the_threshold(place):
    row = np.full(34, -20.0, np.float32)
    row[place] = np.nan
    assert sifted(row, -5.0, 0)[0] == [place]


def test_minus_infinity_is_at_a_threshold_of_minus_infinity_but_only_within_the_row():
    assert sifted(np.full(3, -np.inf, np.float32), -np.inf, 0)[0] == [0, 1, 2]


@settings(deadline=None)
@given(st.lists(st.floats(-86.0, 0.0, width=32), min_size=1, max_size=100))
def test_exponentials_are_those_of_numpy_to_float32_precision(values):
    row = np.array(values, np.float32)
    results, small = computed(row)
    exact = np.exp(row.astype(np.float64))
    # the rounding of x log2(e) is relative to x, so small results are a little less precise
    np.testing.assert_allclose(results, exact, rtol=1e-5)
    np.testing.assert_allclose(results[row > -10.0], exact[row > -10.0], rtol=1e-6)
    assert not small
    assert run_sum(row) == pytest.approx(exact.sum(), rel=1e-5)


@pytest.mark.parametrize("length", [4, 16, 17, 40])
def test_what_float32_cannot_hold_is_zero_and_said(length):
    row = np.zeros(length, np.float32)
    row[-3:] = [-87.5, -1000.0, -np.inf]
    results, small = computed(row)
    assert results.tolist() == [1.0] * (length - 3) + [0.0] * 3
    assert small
    assert run_sum(row) == length - 3


@pytest.mark.parametrize("bad", [np.nan, np.inf, 200.0, 5.0])
@pytest.mark.parametrize("place", [0, 15, 33])
def test_a_frame_that_is_no_distribution_has_no_sum_of_one(bad, place):
    row = np.full(34, -np.log(34.0), np.float32)
    row[place] = bad
    assert not abs(run_sum(row) - 1.0) <= 0.5


@settings(deadline=None)
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=50), st.floats(0.0, 1.0), st.floats(0.0, 0.5))
def test_products_that_reach_the_floor_are_listed_in_order(values, factor, floor):
    array = np.array(values)
    listed = np.zeros(len(array), np.uint32)
    found = run_list_products(array, len(array), factor, floor, listed)
    assert listed[:found].tolist() == np.flatnonzero(array * factor >= floor).tolist()
