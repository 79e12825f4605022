"""One frame of log-probabilities: which units are worth trying, and whether the probabilities sum to 1."""

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.search import pruning as posteriors
from asr.decoding.search.frame_vectors import SOME
from asr.decoding.search.pruning import TOLERANCE, likeliest_unit, sort_tokens
from asr.decoding.search.vector_code import ESTIMATE_ERROR


@numba.njit
def run_is_normalised(blank, weights, found, others, row):
    return posteriors.is_normalised(blank, weights, found, others, row)


@numba.njit
def run_fill(log_probs, count, probs):
    posteriors.fill_probabilities(log_probs, count, probs)


@settings(deadline=None)  # compiling is slow
@given(st.lists(st.integers(-9, 0), min_size=1, max_size=300))
def test_units_are_sorted_by_falling_probability(values):
    row = np.array(values, np.float32)
    tokens = np.random.default_rng(1).permutation(len(row)).astype(np.uint32)
    assert sort_tokens(tokens, row, len(tokens)) == len(tokens)
    assert sorted(tokens.tolist()) == list(range(len(row)))
    assert row[tokens].tolist() == sorted(row.tolist(), reverse=True)


@pytest.mark.parametrize(
    ("row", "listed"), [([-0.1, -3.0, -4.0], []), ([-2.0, -3.0, -0.5], [2]), ([-1.0, -1.0], []), ([0.0], [])]
)
def test_the_likeliest_unit_must_beat_the_blank(row, listed):
    tokens = np.zeros(len(row), np.uint32)
    count = likeliest_unit(tokens, np.array(row, np.float32))
    assert tokens[:count].tolist() == listed


def test_probabilities_too_small_for_float32_are_kept():
    log_probs = np.array([0.0, -100.0, -600.0, -700.0, -np.inf], np.float32)
    probs = np.zeros(5 + SOME)
    run_fill(log_probs, 5, probs)
    np.testing.assert_allclose(probs[:5], [1.0, np.exp(-100.0), np.exp(-600.0), 0.0, 0.0], rtol=1e-6)


def row_of(blank: float, unit: float, others: float) -> np.ndarray:
    """A frame in which a hundred other units share a probability."""
    return np.log(np.array([blank, unit, *[others / 100] * 100])).astype(np.float32)


@pytest.mark.parametrize("estimate", [1.0 - ESTIMATE_ERROR, 1.0, 1.0 + ESTIMATE_ERROR])
@pytest.mark.parametrize("others", [0.0001, 0.05, 0.3, 0.9])
@pytest.mark.parametrize(
    ("total", "good"), [(1.0, True), (1.0 + 0.99 * TOLERANCE, True), (1.0 - 0.99 * TOLERANCE, True),
                        (1.0 + 1.01 * TOLERANCE, False), (1.0 - 1.01 * TOLERANCE, False)],
)  # fmt: skip
def test_the_decision_is_that_of_the_exact_sum_whatever_the_estimate(total, good, others, estimate):
    blank = (total - others) / 2
    row = row_of(blank, blank, others)
    weights = np.array([blank])
    assert run_is_normalised(blank, weights, 1, np.float32(others * estimate), row) == good


def test_a_sum_that_is_no_number_is_not_one():
    row = np.array([np.nan, 0.0], np.float32)
    assert not run_is_normalised(np.nan, np.array([1.0]), 1, np.float32(0.0), row)
