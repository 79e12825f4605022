"""The best path of a long text in long audio, exact, in little memory. T: frames, V: units, L: units of the text.

`alignment.best_path` remembers where every state of every frame came from, 2 T L bytes: 9 GB for an hour. Here the
scores of every `block`-th frame are remembered instead, 16 L T / block bytes; the way back computes each block again
from the scores before it, and of it only the `block` units that the path can have passed there. States and ties are
those of `alignment.viterbi`, so that both give the same path.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.kernels.compile import allocating
from asr.units import BLANK

IMPOSSIBLE = -np.inf
MOST_BYTES = 64 * 2**20  # of what is remembered
SHORTEST_BLOCK = 256


def long_path(
    log_probs: NDArray[np.float32], tokens: NDArray[np.int32], block: int | None = None
) -> tuple[NDArray[np.int64], NDArray[np.float32], float]:
    """The best path of a text, as `alignment.best_path` gives it.

    Args:
        log_probs: (T, V).
        tokens: (L,) unit ids without blanks.
        block: frames between two remembered ones; None takes the fewest that keep to `MOST_BYTES`.

    Returns:
        (L, 2) first frame and frame after the last of each unit, (L,) highest log-probability of each unit within
        them, and the path's natural-log probability; -inf, and the rest zeros, when there is no path.
    """
    frames, length = len(log_probs), len(tokens)
    spans, peaks = np.zeros((length, 2), np.int64), np.zeros(length, np.float32)
    if frames < length or frames == 0:
        return spans, peaks, IMPOSSIBLE
    score = _best_path(log_probs, tokens, block or block_length(frames, length), spans, peaks)
    return spans, peaks, score


def block_length(frames: int, length: int) -> int:
    """Frames between two whose scores are remembered, so that all of them keep to `MOST_BYTES`."""
    return max(SHORTEST_BLOCK, -(-16 * (length + 2) * frames // MOST_BYTES))


@allocating
def _best_path(
    log_probs: NDArray[np.float32],
    tokens: NDArray[np.int32],
    block: int,
    spans: NDArray[np.int64],
    peaks: NDArray[np.float32],
) -> float:
    """Fill in spans and peaks of the best path; its natural-log probability."""
    frames, length = log_probs.shape[0], tokens.shape[0]
    skips = np.zeros(length + 1)  # -inf where a blank must stand between a unit and the one before it
    skips[0] = IMPOSSIBLE
    for i in range(1, length):
        if tokens[i] == tokens[i - 1]:
            skips[i] = IMPOSSIBLE
    blocks = (frames + block - 2) // block  # after the first frame
    kept = np.empty((blocks, 2, length + 2))
    scores = np.full((2, length + 2), IMPOSSIBLE)  # of the blank before unit i at [0, i], of unit i at [1, i + 1]
    scores[0, 0] = log_probs[0, BLANK]
    if length:
        scores[1, 1] = log_probs[0, tokens[0]]
    nothing = np.empty((0, 0, 2), np.uint8)
    for number in range(blocks):
        kept[number] = scores
        begin = number * block + 1
        advance(log_probs, tokens, skips, scores, begin, min(begin + block, frames), 0, length, nothing)
    score = max(scores[0, length], scores[1, length])
    if score == IMPOSSIBLE:
        return score
    state = 2 * length - 1 if scores[1, length] > scores[0, length] else 2 * length
    steps = np.empty((block, block + 1, 2), np.uint8)
    for number in range(blocks - 1, -1, -1):
        begin = number * block + 1
        end = min(begin + block, frames)
        high = state >> 1
        low = max(0, high - (end - begin))  # a frame moves a path by a unit at most
        advance(log_probs, tokens, skips, kept[number], begin, end, low, high, steps)
        for t in range(end - 1, begin - 1, -1):
            note(log_probs, tokens, t, state, spans, peaks)
            state -= steps[t - begin, (state >> 1) - low, state & 1]
    note(log_probs, tokens, 0, state, spans, peaks)
    return score


@allocating
def advance(
    log_probs: NDArray[np.float32],
    tokens: NDArray[np.int32],
    skips: NDArray[np.float64],
    scores: NDArray[np.float64],
    begin: int,
    end: int,
    low: int,
    high: int,
    steps: NDArray[np.uint8],
) -> None:
    """Take `scores` of frame `begin` - 1 on to those of frame `end` - 1, for places `low` to `high` of the text.

    `steps` (frames, places, 2), unless it is empty, is filled with how many states back the best predecessor is.
    """
    frames, length = log_probs.shape[0], tokens.shape[0]
    blanks, labels = scores[0], scores[1]
    keeps = steps.shape[0] > 0
    for t in range(begin, end):
        row = log_probs[t]
        silence = row[BLANK]
        first = max(low, length - (frames - t))  # what lies before it cannot reach the end any more
        for i in range(min(high, t), first - 1, -1):  # downwards, so that one row is enough
            before = labels[i]
            if i < length:
                best, step = labels[i + 1], 0
                if blanks[i] > best:
                    best, step = blanks[i], 1
                if before + skips[i] > best:
                    best, step = before, 2
                labels[i + 1] = best + row[tokens[i]]
                if keeps:
                    steps[t - begin, i - low, 1] = step
            best, step = blanks[i], 0
            if before > best:
                best, step = before, 1
            blanks[i] = best + silence
            if keeps:
                steps[t - begin, i - low, 0] = step


@allocating
def note(
    log_probs: NDArray[np.float32],
    tokens: NDArray[np.int32],
    t: int,
    state: int,
    spans: NDArray[np.int64],
    peaks: NDArray[np.float32],
) -> None:
    """Note that the path, followed from its end, is in a state at frame t."""
    place = state >> 1
    if state & 1:
        value = log_probs[t, tokens[place]]
        if spans[place, 1] == 0:
            spans[place, 1] = t + 1
            peaks[place] = value
        spans[place, 0] = t
        peaks[place] = max(peaks[place], value)
