"""What the language model was asked before, for compiled code. M: places, a power of two.

Prefixes with the same history end the same words, frame after frame, and a large model's table lies outside the core's
cache: an answer that is at hand is worth more than a fast way to find it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.kernels.compile import Integer, inlined
from asr.kernels.hashing import spread

MEMO = np.dtype([("question", np.uint64), ("gain", np.float64), ("after", np.int32)], align=True)
PLACES = 1 << 13
STATE_BITS, PLACE_BITS = np.uint64(32), np.uint64(64 - 13)


def make_memo() -> NDArray[np.void]:
    """(M,) MEMO, without any answer."""
    return np.zeros(PLACES, MEMO)


@inlined
def question_of(state: Integer, word: Integer) -> Integer:
    """The number of a history and a word; above 0."""
    return (np.uint64(np.int64(state) + 1) << STATE_BITS) + np.uint64(word)


@inlined
def memo_place(question: Integer) -> Integer:
    """Where the answer to a question is, if it is still there."""
    return np.int64(spread(question) >> PLACE_BITS)
