"""Long recordings in overlapping windows whose log-probabilities are joined where both windows agree.

A recording that fits one window goes through the network whole. Of a longer one every window is normalised by itself,
like an utterance of its length.

Shapes: T feature frames, F features, T' output frames, V units, K output frames that two windows share.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.units import BLANK

FloatArray = NDArray[np.float32]
SMOOTHED = 5  # output frames around a seam in which the windows must agree
EDGE = 6  # of what is shared, a part 1/EDGE at either end is no place for a seam: there one window lacks context


@dataclass(frozen=True, slots=True)
class Windowing:
    """How long windows are and how much they share, in seconds."""

    length: float = 30.0
    overlap: float = 4.0

    def frames(self, shift_seconds: float, reduction: int) -> tuple[int, int]:
        """Feature frames of a window and of what it shares with the next, both multiples of the time reduction."""
        length = max(2, round(self.length / shift_seconds / reduction))
        overlap = min(max(1, round(self.overlap / shift_seconds / reduction)), length - 1)
        return length * reduction, overlap * reduction


def windows_of(features: Iterable[FloatArray], length: int, overlap: int) -> Iterator[FloatArray]:
    """Cut a stream of feature blocks (T, F) into windows of `length` frames that share `overlap` with the next.

    The last window is shorter; a recording without frames has none.
    """
    held: list[FloatArray] = []
    count = 0
    for block in features:
        held.append(block)
        count += len(block)
        if count <= length:
            continue
        whole = np.concatenate(held)
        while len(whole) > length:
            yield whole[:length]
            whole = whole[length - overlap :]
        held, count = [whole.copy()], len(whole)
    if count:
        yield np.concatenate(held)


def seam(left: FloatArray, right: FloatArray) -> int:
    """Where to go over from one window to the next in the frames that they share.

    Best is a frame around which both give the same distribution, and best of all the blank.

    Args:
        left: (K, V) log-probabilities of the earlier window.
        right: (K, V) of the later one.

    Returns:
        k: frames before k are the earlier window's, from k on the later one's.
    """
    frames = min(len(left), len(right))
    if not frames:
        return 0
    left, right = left[:frames], right[:frames]
    agreement = np.exp(np.minimum(left, right)).sum(axis=1)
    value = agreement * (0.5 + 0.5 * np.exp(left[:, BLANK] + right[:, BLANK]))
    smooth = np.convolve(np.pad(value, SMOOTHED // 2, mode="edge"), np.ones(SMOOTHED) / SMOOTHED, mode="valid")
    middle = (frames - 1) / 2
    smooth -= 1e-3 * np.abs(np.arange(frames) - middle) / frames  # of equals the one in the middle
    edge = frames // EDGE
    return edge + int(smooth[edge : frames - edge].argmax())


def joined(windows: Iterable[FloatArray], overlap: int) -> Iterator[FloatArray]:
    """Join the log-probabilities (T', V) of consecutive windows that share `overlap` output frames.

    Yields:
        Blocks (T', V), together as long as the recording.
    """
    before: FloatArray | None = None
    for window in windows:
        if before is not None:
            shared = before[len(before) - overlap :]
            place = seam(shared, window)
            yield before[: len(before) - overlap + place]
            window = window[place:]
        before = window
    if before is not None:
        yield before


def pieces(blocks: Iterable[FloatArray], longest: int) -> Iterator[FloatArray]:
    """Cut joined log-probabilities at pauses into pieces of at most `longest` output frames, to be decoded one by one.

    A cut goes through the middle of the longest run of blanks in the second half of what is held, or, where none is
    blank, in front of the frame that is most nearly so.
    """
    held: list[FloatArray] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        if count <= longest:
            continue
        whole = np.concatenate(held)
        while len(whole) > longest:
            place = _pause(whole[:longest])
            yield whole[:place]
            whole = whole[place:]
        held, count = [whole.copy()], len(whole)
    if count:
        yield np.concatenate(held)


def _pause(log_probs: FloatArray) -> int:
    half = len(log_probs) // 2
    later = log_probs[half:]
    blank = np.concatenate([[False], later.argmax(axis=1) == BLANK, [False]])
    edges = np.flatnonzero(blank[1:] != blank[:-1])
    starts, ends = edges[::2], edges[1::2]
    if not len(starts):
        return max(1, half + int(later[:, BLANK].argmax()))
    longest = int((ends - starts).argmax())
    return max(1, half + int(starts[longest] + ends[longest]) // 2)
