"""The score that a prefix must have to stay in the beam, for compiled code. B: beam width, n: scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from asr.decoding.jit import Integer, emitted, inlined, kernel

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
