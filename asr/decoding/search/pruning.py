"""The score that a prefix must have to stay in the beam, for compiled code. B: beam width, n: scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from asr.decoding.search.frame_vectors import exponentials, sum_of_exponentials
from asr.decoding.search.vector_code import ESTIMATE_ERROR
from asr.kernels.compile import Integer, emitted, inlined, kernel
from asr.units import BLANK

BINS = 128
BIN_BITS = 50  # a bin is a quarter of an octave: bits of a float64 after its exponent and two more


@emitted
def float_bits(_: Any, value: Any) -> Any:
    """The bits of a float64 as int64; of two numbers above 0 the greater has the greater bits."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


@inlined
def bin_of(top_bits: int, score: float) -> Integer:
    """Bin of a score; 0 is that of the best, the last one takes all that is far below."""
    return np.uint64(min((top_bits - float_bits(score)) >> BIN_BITS, BINS - 1))


@kernel
def beam_cut(
    ranks: NDArray[np.float64], count: int, beam: int, best: float, bins: NDArray[np.int32],
    scratch: NDArray[np.float64],
) -> float:  # fmt: skip
    """The B-th highest of `ranks[:count]`; 0 when they all fit.

    A histogram tells in which bin it lies; only the ranks of that bin are looked at one by one. There is no branch that
    depends on a rank: which way it goes could not be foretold.
    """
    if count <= beam:
        return 0.0
    top = float_bits(best)
    for index in range(count):
        bins[bin_of(top, ranks[index])] += 1
    above, place = 0, 0
    while place < BINS - 1 and above + bins[place] < beam:
        above += bins[place]
        place += 1
    inside = 0
    for index in range(count):
        scratch[inside] = ranks[index]
        inside += bin_of(top, ranks[index]) == np.uint64(place)
    bins[:] = 0
    return highest(scratch, inside, beam - above)


@kernel
def highest(values: NDArray[np.float64], count: int, rank: int) -> float:
    """The `rank`-th highest, from 1, of the first `count` values, by quickselect (Hoare 1961); reorders them."""
    low, high, target = 0, count - 1, rank - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if target <= right:
            high = right
        elif target >= left:
            low = left
        else:
            break
    return values[target]


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
