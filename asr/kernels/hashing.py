"""Mixing the bits of keys for hash tables in compiled code, which have a power of two of slots."""

from __future__ import annotations

import numpy as np

from asr.kernels.compile import Integer, inlined

MIX = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing with 2**64 / golden ratio
HIGH = np.uint64(32)  # the product's high bits are the well mixed ones
ONE = np.uint64(1)


@inlined
def spread(value: Integer) -> Integer:
    """A number of 64 bits, each of which depends on those of the argument below it."""
    return (np.uint64(value) ^ (np.uint64(value) >> HIGH)) * MIX


def table_size(entries: int) -> int:
    """Number of slots that keeps `entries` keys at most half full."""
    return 1 << max(2, (2 * entries).bit_length())
