"""Bootstrap of error rates: how much would a figure move if the test set were drawn again?

Shapes: N units (utterances or speakers), K counts of each, C classes of units with equal counts, B resamples.

Reference: Bisani and Ney, "Bootstrap estimates for confidence intervals in ASR performance evaluation", ICASSP 2004.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from asr.scoring.rates.alignment import Ints
from asr.seeding import generator_for

Floats = npt.NDArray[np.float64]
RESAMPLES = 2000
LEVEL = 0.95
FEWEST_UNITS = 10
"""Below this the bootstrap's intervals are far too narrow (Bisani and Ney 2004 take hundreds)."""
MOST_WEIGHTS = 4_000_000
"""Weights held at once, 32 MB."""


@dataclass(frozen=True, slots=True)
class Interval:
    """A percentile interval of a rate, as fractions, over `units` resampled things."""

    low: float
    high: float
    units: int

    @property
    def doubtful(self) -> bool:
        """Whether there are too few units to say how far the rate would move."""
        return self.units < FEWEST_UNITS

    @property
    def without_spread(self) -> bool:
        """Whether all units have the same rate, so that drawing among them says nothing."""
        return self.low == self.high


def corpus_interval(
    errors: Ints, lengths: Ints, groups: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """95 % interval of all errors by all reference tokens.

    Args:
        errors: (N,) errors of each utterance.
        lengths: (N,) reference tokens of each utterance.
        groups: N speakers; whole speakers are drawn when given, utterances otherwise.
        resamples: how many draws; 2000 put the ends within a few per cent of the interval's own width.
        seed: of the draws.
    """
    rows = np.stack([errors, lengths], axis=1)
    return _interval(rows if groups is None else sum_by_group(rows, groups)[1], _ratio_of_sums, resamples, seed)


def macro_interval(
    errors: Ints, lengths: Ints, groups: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Interval:
    """95 % interval of the mean, over utterances or over speakers, of their own error rate.

    Arguments are those of `corpus_interval`. Units without reference tokens have no rate and are left out.
    """
    rows = np.stack([errors, lengths], axis=1)
    rows = rows if groups is None else sum_by_group(rows, groups)[1]
    return _interval(rows[rows[:, 1] > 0], _mean_of_ratios, resamples, seed)


def sum_by_group(rows: Ints, groups: Sequence[str]) -> tuple[list[str], Ints]:
    """Names of the groups in order of appearance, and (G, K) the sums of their rows."""
    positions: dict[str, int] = {}
    owner = np.fromiter((positions.setdefault(group, len(positions)) for group in groups), np.int64, len(groups))
    sums = np.zeros((len(positions), rows.shape[1]), np.int64)
    np.add.at(sums, owner, rows)
    return list(positions), sums


def resampled(rows: Ints, resamples: int = RESAMPLES, seed: int = 0) -> Iterator[tuple[Ints, Floats]]:
    """Draw N of N units with replacement, `resamples` times.

    Only how often each distinct row is drawn matters, and that is multinomial over the C distinct rows: a draw costs
    C and not N steps, so a million utterances take no longer than a few thousand.

    Args:
        rows: (N, K) counts of each unit.

    Yields:
        (C, K) the distinct rows and (b, C) how often each is drawn, in blocks that sum to `resamples` draws.
    """
    classes, sizes = distinct_rows(rows)
    generator = generator_for(seed, "bootstrap")
    block = max(1, min(resamples, MOST_WEIGHTS // max(1, len(classes))))
    for start in range(0, resamples, block):
        draws = generator.multinomial(len(rows), sizes / len(rows), size=min(block, resamples - start))
        yield classes, draws.astype(np.float64)


def distinct_rows(rows: Ints) -> tuple[Ints, Ints]:
    """(C, K) the distinct rows of non-negative counts and (C,) how often each occurs."""
    spans = rows.max(axis=0).astype(object) + 1
    if np.prod(spans) >= 2**62:
        classes, sizes = np.unique(rows, axis=0, return_counts=True)
        return classes, sizes
    weights = np.cumprod([1, *spans[:-1].tolist()]).astype(np.int64)
    keys, sizes = np.unique(rows @ weights, return_counts=True)
    return (keys[:, None] // weights) % spans.astype(np.int64), sizes


def _interval(rows: Ints, statistic: Callable[[Ints, Floats], Floats], resamples: int, seed: int) -> Interval:
    if not len(rows):
        return Interval(0.0, 0.0, 0)
    rates = np.concatenate([statistic(classes, draws) for classes, draws in resampled(rows, resamples, seed)])
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(rates, [tail, 100 - tail], method="linear" if np.isfinite(rates).all() else "nearest")
    return Interval(float(low), float(high), len(rows))


def _ratio_of_sums(classes: Ints, draws: Floats) -> Floats:
    sums = draws @ classes
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[:, 0] == 0, 0.0, sums[:, 0] / sums[:, 1])


def _mean_of_ratios(classes: Ints, draws: Floats) -> Floats:
    rates: Floats = (draws @ (classes[:, 0] / classes[:, 1])) / draws.sum(axis=1)
    return rates
