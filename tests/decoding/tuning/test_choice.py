"""Choosing among settings: the middle of what a small set cannot tell apart, the best where it can."""

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from asr.decoding.tuning.choice import choose_setting, grid_places, standard_errors

ERRORS = arrays(np.int32, st.tuples(st.just(12), st.integers(1, 8)), elements=st.integers(0, 6))
GRID = list(itertools.product([0.0, 0.2, 0.4], [-1.0, 0.0, 1.0, 2.0]))


def plain_standard_error(differences):
    """By the textbook: the sum of U equally distributed numbers spreads as the root of U times one of them."""
    return math.sqrt(len(differences)) * statistics.stdev(differences)


def test_the_standard_error_is_that_of_the_textbook():
    rows = np.array([[0, 1, 0, 2], [3, 3, 3, 3], [-1, 0, 1, 4]], np.int32)
    assert standard_errors(rows) == pytest.approx([plain_standard_error(row.tolist()) for row in rows])
    assert standard_errors(rows[:, :1]).tolist() == [0.0, 0.0, 0.0]


def test_places_count_the_steps_of_each_weight():
    assert grid_places([(0.5, 3), (0.0, 3), (9.0, -1)]).tolist() == [[1, 1], [0, 1], [2, 0]]


def test_a_lucky_setting_at_the_edge_loses_to_the_middle_of_the_valley():
    utterances = 20
    errors = np.zeros((9, utterances), np.int32)
    errors[0, 0] = errors[8, :10] = 1  # settings 1 to 7 err once or twice, each elsewhere; 0 errs once
    for setting in range(1, 8):
        errors[setting, [setting, setting + 1]] = 1
    found = choose_setting(errors, [(place,) for place in range(9)])
    assert found.fewest == 0
    assert found.alike.tolist() == [True] * 8 + [False]
    assert found.index in (3, 4)


def test_where_the_set_is_large_the_fewest_errors_win():
    rates = [0.30, 0.22, 0.20, 0.22, 0.30, 0.40]
    errors = np.array([[1] * round(1000 * rate) + [0] * round(1000 * (1 - rate)) for rate in rates])
    found = choose_setting(errors, [(rate,) for rate in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)])
    assert found.index == found.fewest == 2
    assert found.alike.sum() == 1
    assert found.excess.tolist() == [100, 20, 0, 20, 100, 200]


def test_of_settings_that_change_nothing_the_middle_is_taken():
    assert choose_setting(np.full((5, 7), 2), [(value,) for value in (0, 1, 2, 3, 4)]).index == 2
    assert choose_setting(np.full((1, 7), 2), [(0.5, 0.0)]).index == 0


def test_one_utterance_has_no_spread_so_only_ties_are_alike():
    found = choose_setting([[3], [2], [2], [2], [4]], [(value,) for value in range(5)])
    assert found.alike.tolist() == [False, True, True, True, False]
    assert found.index == 2


@given(ERRORS)
def test_the_chosen_one_is_within_a_standard_error_of_the_fewest(errors):
    found = choose_setting(errors, GRID)
    totals = errors.sum(axis=1)
    assert totals[found.fewest] == totals.min()
    deviation = (
        plain_standard_error((errors[found.index] - errors[found.fewest]).tolist()) if errors.shape[1] > 1 else 0
    )
    assert totals[found.index] - totals.min() <= deviation + 1e-6


@given(ERRORS, st.randoms(use_true_random=False))
def test_the_order_of_utterances_and_the_scale_of_weights_change_nothing(errors, random):
    order = list(range(errors.shape[1]))
    random.shuffle(order)
    stretched = [(10.0 * alpha, beta**3) for alpha, beta in GRID]
    assert choose_setting(errors[:, order], stretched).index == choose_setting(errors, GRID).index


@pytest.mark.parametrize(("utterances", "least_gain"), [(60, 0.05), (3000, -0.01)])
def test_it_generalises_better_than_the_fewest_errors(utterances, least_gain):
    """Sets drawn from a known, shallow valley: its true error rate at the chosen setting, beside that at the fewest."""
    grid = list(itertools.product(range(8), range(15)))
    rates = np.array([0.2 + 0.004 * (x - 4) ** 2 + 0.002 * (y - 8 - x / 2) ** 2 for x, y in grid])
    draw = np.random.default_rng(1)
    gains = []
    for _ in range(60):
        hardness = draw.random(utterances)  # settings err on the same utterances, mostly
        noise = 0.1 * draw.standard_normal((len(grid), utterances))
        errors = (hardness + noise < rates[:, None]).astype(np.int32)
        found = choose_setting(errors, grid)
        gains.append((rates[found.fewest] - rates[found.index]) / rates.min())
    assert np.mean(gains) > least_gain
