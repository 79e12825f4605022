"""One frame of log-probabilities, for the compiled search. V: units, K: units tried in the frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from asr.decoding.jit import emitted, inlined, kernel, vectorised
from asr.units import BLANK

LOWEST = np.float32(-87.0)  # e to anything lower is no normal float32
HIGHEST = np.float32(1.0)
LOG2_E, LN_2, HALF = np.float32(1.4426950408889634), np.float32(0.6931471805599453), np.float32(0.5)
ONE, ZERO = np.float32(1.0), np.float32(0.0)
SIXTH, TWENTYFOURTH, FIFTH_FACTORIAL, SIXTH_FACTORIAL = (np.float32(1.0 / n) for n in (6, 24, 120, 720))
SMALLEST_LOG_PROB = -690.0  # exp() of anything lower is taken as 0, as is the result of -inf
SHELL_GAPS = (57, 23, 10, 4, 1)


@emitted
def power_of_two(_: Any, exponent: Any) -> Any:
    """2 to an int32 in -126..127 as float32, made of its bits."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        bits = ir.IntType(32)
        biased = builder.add(arguments[0], ir.Constant(bits, 127))
        return builder.bitcast(builder.shl(biased, ir.Constant(bits, 23)), ir.FloatType())

    return types.float32(types.int32), code


@vectorised
def exponentials(
    row: NDArray[np.float32], probs: NDArray[np.float32], threshold: np.float32
) -> tuple[np.float32, np.float32]:
    """Probabilities of a frame, many units at a time.

    e^x = 2^n e^f with the integer n next to x log2(e), so |f| <= ln(2) / 2, where six terms of the Taylor series after
    the first are off by 2e-7 of the result at most.

    Args:
        row: (V,) natural-log probabilities.
        probs: (V,) is filled; 0 where `row` is below -87.
        threshold: natural log.

    Returns:
        The sum of the probabilities, NaN or infinite when one is; and how many units are at or above the threshold.
    """
    total = ZERO
    passing = ZERO
    for token in range(row.shape[0]):
        x = row[token]
        passing += ONE if x >= threshold else ZERO
        bounded = x if x > LOWEST else LOWEST  # also for a NaN, which has no integer next to it
        bounded = bounded if bounded < HIGHEST else HIGHEST
        n = np.int32(bounded * LOG2_E - HALF)
        f = x - np.float32(n) * LN_2
        series = SIXTH_FACTORIAL * f + FIFTH_FACTORIAL
        series = series * f + TWENTYFOURTH
        series = series * f + SIXTH
        series = series * f + HALF
        series = series * f + ONE
        series = series * f + ONE
        prob = series * power_of_two(n)
        prob = ZERO if x < LOWEST else prob
        probs[token] = prob
        total += prob
    return total, passing


@inlined
def probability(probs: NDArray[np.float32], row: NDArray[np.float32], token: int) -> float:
    """Probability of a unit, also of one that float32 cannot tell from 0."""
    prob = np.float64(probs[token])
    if prob == 0.0 and row[token] > SMALLEST_LOG_PROB:
        prob = np.exp(np.float64(row[token]))
    return prob


@kernel
def likeliest_unit(row: NDArray[np.float32]) -> int:
    """The most probable unit when it beats the blank; otherwise the blank."""
    best = BLANK
    for token in range(BLANK + 1, row.shape[0]):
        if row[token] > row[best]:
            best = token
    return best


@kernel
def list_tokens(tokens: NDArray[np.int32], row: NDArray[np.float32], threshold: np.float32) -> int:
    """List the units, not the blank, at or above the threshold, most probable first; returns K."""
    count = 0
    for token in range(BLANK + 1, row.shape[0]):
        tokens[count] = token
        count += row[token] >= threshold
    for gap in SHELL_GAPS:  # sorting: Shell (1959), with the gaps of Ciura (2001)
        if gap < count:
            for index in range(gap, count):
                token = tokens[index]
                value = row[token]
                place = index
                while place >= gap and row[tokens[place - gap]] < value:
                    tokens[place] = tokens[place - gap]
                    place -= gap
                tokens[place] = token
    return count
