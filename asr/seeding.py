"""Random generators derived from names, so that no order of work and no number of workers changes a draw."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np


def generator_for(*key: str | int) -> np.random.Generator:
    """A generator that depends on nothing but `key`, for example `(seed, "specaugment", epoch, utterance_id)`.

    Python's own `hash` is salted per process, so the key is hashed with BLAKE2b.
    """
    digest = hashlib.blake2b("\x1f".join(map(str, key)).encode(), digest_size=16).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest, "little")))


def uniform_in(bounds: Sequence[float], generator: np.random.Generator) -> float:
    """A number drawn uniformly between two bounds."""
    lowest, highest = bounds
    return float(generator.uniform(lowest, highest))
