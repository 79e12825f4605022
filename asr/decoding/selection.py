"""The score that a prefix must have to stay in the beam, for compiled code. B: beam width, n: scores."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numpy.typing import NDArray

from asr.decoding.jit import emitted, inlined, kernel

BINS = 256
BIN_BITS = 49  # a bin is an eighth of an octave: bits of a float64 after its exponent and three more


@emitted
def float_bits(_: Any, value: Any) -> Any:
    """The bits of a float64 as int64; of two numbers above 0 the greater has the greater bits."""

    def code(_context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.bitcast(arguments[0], ir.IntType(64))

    return types.int64(types.float64), code


@inlined
def bin_of(top_bits: int, score: float) -> int:
    """Bin of a score above 0; 0 is that of the best, the last one takes all that is far below."""
    return min((top_bits - float_bits(score)) >> BIN_BITS, BINS - 1)


@kernel
def beam_cut(
    ranks: NDArray[np.float64], count: int, beam: int, best: float, bins: NDArray[np.int32],
    scratch: NDArray[np.float64],
) -> float:  # fmt: skip
    """The B-th highest of `ranks[:count]`; 0 when they all fit, or those above 0 do.

    A histogram tells in which bin it lies; only the ranks of that bin are looked at one by one.
    """
    if count <= beam:
        return 0.0
    top = float_bits(best)
    for index in range(count):
        if ranks[index] > 0.0:
            bins[bin_of(top, ranks[index])] += 1
    above, place = 0, 0
    while place < BINS - 1 and above + bins[place] < beam:
        above += bins[place]
        place += 1
    inside = 0
    if above + bins[place] >= beam:
        for index in range(count):
            if ranks[index] > 0.0 and bin_of(top, ranks[index]) == place:
                scratch[inside] = ranks[index]
                inside += 1
    bins[:] = 0
    return highest(scratch, inside, beam - above) if inside > 0 else 0.0


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
