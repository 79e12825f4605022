"""Hash tables in compiled code: open addressing in plain arrays with a power of two of places."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.kernels.compile import Integer, kernel

MIX = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing with 2**64 / golden ratio
HIGH = np.uint64(32)  # the product's high bits are the well mixed ones
ONE = np.uint64(1)
EMPTY = np.uint64(0)  # no key


@kernel
def spread(value: Integer) -> Integer:
    """A number of 64 bits, each of which depends on those of the argument below it."""
    return (np.uint64(value) ^ (np.uint64(value) >> HIGH)) * MIX


@kernel
def find_place(keys: NDArray[np.uint64], places: int, key: Integer) -> int:
    """Where a key is among the first `places` of `keys`; where it is not, an EMPTY place for it."""
    place = np.int64(spread(key) >> HIGH) & (places - 1)
    while keys[place] != key and keys[place] != EMPTY:
        place = (place + 1) & (places - 1)
    return place


def table_size(entries: int) -> int:
    """Number of places that keeps `entries` keys at most half full."""
    return 1 << max(2, (2 * entries).bit_length())
