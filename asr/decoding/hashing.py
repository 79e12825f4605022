"""Open-addressing hash tables over int64 keys from 0, for compiled code. H: slots, a power of two."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.jit import Integer, inlined, kernel

EMPTY = -1
MIX = np.uint64(0x9E3779B97F4A7C15)  # Knuth's multiplicative hashing with 2**64 / golden ratio
HIGH = np.uint64(32)  # the product's high bits are the well mixed ones
ONE = np.uint64(1)


@inlined
def mixed(key: Integer) -> Integer:
    """The bits of a key, spread: its low bits choose a slot."""
    return (np.uint64(key) * MIX) >> HIGH


@inlined
def spread(value: Integer) -> Integer:
    """A number of 64 bits, each of which depends on those of the argument below it."""
    return (np.uint64(value) ^ (np.uint64(value) >> HIGH)) * MIX


@inlined
def find_slot(keys: NDArray[np.int64], key: Integer) -> Integer:
    """Slot that holds `key`, or the empty slot where it would go."""
    mask = np.uint64(keys.shape[0] - 1)
    slot = mixed(key) & mask
    while keys[slot] != key and keys[slot] != EMPTY:
        slot = (slot + ONE) & mask
    return np.int64(slot)


@kernel
def fill(
    keys: NDArray[np.int64], values: NDArray[np.int32], new_keys: NDArray[np.int64], new_values: NDArray[np.int32]
) -> None:
    """Insert every (key, value) pair; the last of equal keys wins."""
    for index in range(new_keys.shape[0]):
        slot = find_slot(keys, new_keys[index])
        keys[slot] = new_keys[index]
        values[slot] = new_values[index]


def table_size(entries: int) -> int:
    """Number of slots that keeps `entries` keys at most half full."""
    return 1 << max(2, (2 * entries).bit_length())


def build_table(
    new_keys: NDArray[np.int64], new_values: NDArray[np.int32]
) -> tuple[NDArray[np.int64], NDArray[np.int32]]:
    """Keys and values of a table that holds the given pairs."""
    size = table_size(len(new_keys))
    keys = np.full(size, EMPTY, dtype=np.int64)
    values = np.zeros(size, dtype=np.int32)
    fill(keys, values, new_keys, new_values)
    return keys, values
