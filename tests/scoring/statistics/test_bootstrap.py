"""The bootstrap against exact enumeration of all resamples, and against plain resampling."""

import itertools

import numpy as np
import pytest

from asr.scoring.statistics.bootstrap import corpus_interval, distinct_rows, macro_interval, resampled, sum_by_group

ERRORS = np.array([0, 1, 2, 0, 3])
LENGTHS = np.array([4, 5, 3, 2, 6])


def all_rates(errors: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """The rate of every one of the n^n equally likely resamples."""
    draws = np.array(list(itertools.product(range(len(errors)), repeat=len(errors))))
    return errors[draws].sum(axis=1) / lengths[draws].sum(axis=1)


def test_interval_of_the_corpus_average_against_all_3125_resamples() -> None:
    exact = np.percentile(all_rates(ERRORS, LENGTHS), [2.5, 97.5])
    interval = corpus_interval(ERRORS, LENGTHS, resamples=200_000)
    assert (interval.low, interval.high) == pytest.approx(exact, abs=0.004)
    assert interval.units == 5


def test_interval_of_the_mean_of_utterances_against_all_resamples() -> None:
    draws = np.array(list(itertools.product(range(5), repeat=5)))
    exact = np.percentile((ERRORS / LENGTHS)[draws].mean(axis=1), [2.5, 97.5])
    interval = macro_interval(ERRORS, LENGTHS, resamples=200_000)
    assert (interval.low, interval.high) == pytest.approx(exact, abs=0.004)


def test_speakers_are_drawn_whole() -> None:
    """With every error in one of three speakers, the resampled rate has few values, known with their chances."""
    errors, lengths = np.array([2, 2, 0, 0, 0, 0]), np.array([4, 4, 4, 4, 4, 4])
    speakers = ["a", "a", "b", "b", "c", "c"]
    rows = sum_by_group(np.stack([errors, lengths], axis=1), speakers)[1]
    times_a = np.concatenate([draws[:, classes[:, 0] == 4][:, 0] for classes, draws in resampled(rows, 50_000)])
    chances = np.bincount(times_a.astype(int), minlength=4) / 50_000
    assert chances == pytest.approx([8 / 27, 12 / 27, 6 / 27, 1 / 27], abs=0.01)
    interval = corpus_interval(errors, lengths, speakers)
    assert (interval.low, interval.high, interval.units) == (0.0, 0.5, 3)


def test_classes_of_equal_counts_do_not_change_the_spread() -> None:
    """Against plain resampling of indices, as the definition says."""
    draw = np.random.default_rng(0)
    lengths = draw.integers(1, 12, 400)
    errors = draw.binomial(lengths, 0.2)
    picks = draw.integers(0, 400, (4000, 400))
    plain = np.percentile(errors[picks].sum(axis=1) / lengths[picks].sum(axis=1), [2.5, 97.5])
    interval = corpus_interval(errors, lengths, resamples=4000)
    assert (interval.low, interval.high) == pytest.approx(plain, abs=0.003)


def test_every_draw_has_as_many_units_as_the_set_and_blocks_add_up() -> None:
    rows = np.arange(40_000).reshape(20_000, 2)
    sizes = [draws.shape[0] for _, draws in resampled(rows, 450)]
    assert sum(sizes) == 450
    assert len(sizes) > 1
    assert all((draws.sum(axis=1) == 20_000).all() for _, draws in resampled(rows, 2))


@pytest.mark.parametrize("scale", [1, 10**9, 10**17])
def test_distinct_rows_of_small_and_of_huge_counts(scale: int) -> None:
    rows = np.array([[1, 2, 3], [0, 0, 0], [1, 2, 3], [3, 2, 1]]) * scale
    classes, sizes = distinct_rows(rows)
    found = {tuple(row): size for row, size in zip((classes // scale).tolist(), sizes.tolist(), strict=True)}
    assert found == {(0, 0, 0): 1, (1, 2, 3): 2, (3, 2, 1): 1}


def test_the_seed_decides_and_nothing_else() -> None:
    errors, lengths = np.arange(200) % 7, np.arange(200) % 11 + 7
    assert corpus_interval(errors, lengths) == corpus_interval(errors, lengths)
    assert corpus_interval(errors, lengths, seed=1) != corpus_interval(errors, lengths, seed=2)


def test_sets_without_utterances_or_without_words() -> None:
    nothing = np.zeros(0, np.int64)
    assert corpus_interval(nothing, nothing).units == 0
    assert macro_interval(np.array([1]), np.array([0])).units == 0
    silent = corpus_interval(np.array([0, 0]), np.array([0, 0]))
    assert (silent.low, silent.high) == (0, 0)
    assert corpus_interval(np.array([1, 2]), np.array([0, 0])).high == np.inf
