"""Waves that were decoded once, in memory that this process and those it starts share.

Shapes: N samples.
"""

from __future__ import annotations

import mmap
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np

LEVELS = 32768.0  # 16-bit steps in 0..1


class WaveCache:
    """Keeps waves by number until its memory is full; which are kept never changes what a wave is.

    The memory is mapped before processes are started, so that what one of them decodes all others find, also in the
    next epoch's processes. No lock is needed: a wave has its place from the beginning, every process would write the
    same bytes into it, and the checksum beside it is right only when all of them are there. Where processes do not
    inherit memory (macOS, Windows) each of them goes without.

    Args:
        capacities: most samples of each wave; the first ones get places while memory lasts.
        limit_bytes: memory to take at most; it is taken page by page as waves arrive.
        whole_steps: waves are of 16 bits and are kept so, at half the memory; one that is not is not kept.
    """

    def __init__(self, capacities: Sequence[int] | np.ndarray, limit_bytes: int, *, whole_steps: bool = False) -> None:
        self.dtype = np.dtype(np.int16 if whole_steps else np.float32)
        ends = np.cumsum(np.asarray(capacities, dtype=np.int64))
        self.places = int(np.searchsorted(ends, limit_bytes // self.dtype.itemsize, side="right"))
        self._ends = ends[: self.places]
        samples = int(ends[self.places - 1]) if self.places else 0
        self._samples = _shared(samples, self.dtype)
        self._marks = _shared(2 * self.places, np.dtype(np.int64)).reshape(-1, 2)  # length + 1, checksum

    def get(self, number: int) -> np.ndarray | None:
        """Wave (N,) float32, a copy; None where it is not kept."""
        if number >= self.places or not (length := int(self._marks[number, 0])):
            return None
        start = self._start(number)
        kept = self._samples[start : start + length - 1].copy()
        if zlib.crc32(kept.data) != self._marks[number, 1]:
            return None
        return kept if self.dtype == np.float32 else kept / np.float32(LEVELS)

    def put(self, number: int, wave: np.ndarray) -> bool:
        """Keep a wave (N,) float32; False where there is no place for it or it is not of 16 bits."""
        if number >= self.places:
            return False
        start = self._start(number)
        if start + len(wave) > self._ends[number]:
            return False
        kept = wave
        if self.dtype == np.int16:
            if not is_whole_steps(wave):
                return False
            kept = (wave * LEVELS).astype(np.int16)
        self._samples[start : start + len(kept)] = kept
        self._marks[number] = (len(kept) + 1, zlib.crc32(np.ascontiguousarray(kept).data))
        return True

    def _start(self, number: int) -> int:
        return int(self._ends[number - 1]) if number else 0

    def __getstate__(self) -> dict[str, Any]:
        """Processes that are started by pickling get a cache without places."""
        empty = np.zeros(0, dtype=self.dtype)
        return {"dtype": self.dtype, "places": 0, "_ends": self._ends[:0], "_samples": empty, "_marks": empty}


def is_whole_steps(wave: np.ndarray) -> bool:
    """Whether a wave (N,) in -1..1 is exactly one of 16-bit samples."""
    steps = wave * np.float32(LEVELS)
    return bool(np.all(steps == np.rint(steps)) and steps.max(initial=0) < LEVELS)


def _shared(count: int, dtype: np.dtype[Any]) -> np.ndarray:
    """Zeros (count,) in memory that forked processes share; nothing is taken before it is written."""
    if count == 0:
        return np.zeros(count, dtype)
    return np.frombuffer(mmap.mmap(-1, count * dtype.itemsize), dtype=dtype, count=count)
