"""One frame of log-probabilities, for the compiled search. V: units, K: units tried in the frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.frame_vectors import exponentials, sum_of_exponentials
from asr.decoding.jit import inlined, kernel
from asr.decoding.vector_code import ESTIMATE_ERROR
from asr.units import BLANK

TOLERANCE = 0.0201  # a little more than NORMALISATION_TOLERANCE, so that what fails here fails there
DOUBT = ESTIMATE_ERROR / (1.0 - ESTIMATE_ERROR)  # share of an estimate by which it may be off
SMALLEST_LOG_PROB = -690.0  # exp() of anything lower is taken as 0, as is the result of -inf
SHELL_GAPS = (57, 23, 10, 4, 1)


@inlined
def fill_probabilities(log_probs: NDArray[np.float32], count: int, probs: NDArray[np.float64]) -> None:
    """Probabilities of the first `count`, also of those that float32 cannot tell from 0."""
    if exponentials(log_probs, count, probs):
        for place in range(count):
            if probs[place] == 0.0 and log_probs[place] > SMALLEST_LOG_PROB:
                probs[place] = np.exp(np.float64(log_probs[place]))


@inlined
def is_normalised(
    blank: float, weights: NDArray[np.float64], found: int, others: float, row: NDArray[np.float32]
) -> bool:
    """Whether a frame's probabilities sum to 1; a NaN among them is no sum.

    Args:
        blank: its probability.
        weights: those of the first `found` units.
        found: how many these are.
        others: about the sum of all others.
        row: (V,) natural-log probabilities, to be summed where the estimate does not tell.
    """
    total = np.float64(others) + blank
    for place in range(found):
        total += weights[place]
    if abs(total - 1.0) + DOUBT * others <= TOLERANCE:
        return True
    return bool(abs(np.float64(sum_of_exponentials(row)) - 1.0) <= TOLERANCE)


@kernel
def likeliest_unit(tokens: NDArray[np.uint32], row: NDArray[np.float32]) -> int:
    """List the most probable unit if it beats the blank; returns how many that are."""
    best = BLANK
    for token in range(BLANK + 1, row.shape[0]):
        if row[token] > row[best]:
            best = token
    tokens[0] = best
    return int(best != BLANK)


@inlined
def sort_tokens(tokens: NDArray[np.uint32], row: NDArray[np.float32], count: int) -> int:
    """Sort the first `count` units, most probable first (Shell 1959, with the gaps of Ciura 2001); returns `count`."""
    if count > 1:
        shell_sort(tokens, row, count)
    return count


@kernel
def shell_sort(tokens: NDArray[np.uint32], row: NDArray[np.float32], count: int) -> None:
    """See `sort_tokens`."""
    for gap in SHELL_GAPS:
        if gap < count:
            for index in range(gap, count):
                token = tokens[index]
                value = row[token]
                place = index
                while place >= gap and row[tokens[place - gap]] < value:
                    tokens[place] = tokens[place - gap]
                    place -= gap
                tokens[place] = token
