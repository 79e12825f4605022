"""Features of a recording that comes in blocks: the same frames as of the whole wave, in memory that does not grow.

Shapes: N samples, T frames, F features, W samples in a window.
"""

from __future__ import annotations

import numpy as np

from asr.features.filterbank import Filterbank, frame_count
from asr.features.mel import FloatArray


class FeatureStream:
    """Takes samples in blocks of any size and gives each frame once all its samples are there."""

    def __init__(self, filterbank: Filterbank) -> None:
        config = filterbank.config
        self._filterbank = filterbank
        self._before = 0 if config.snip_edges else config.window_samples // 2 - config.shift_samples // 2
        self._held = np.empty(0, np.float32)
        self._dropped = 0  # samples before those held
        self._next = 0  # number of the next frame

    def push(self, samples: np.ndarray) -> FloatArray:
        """Features (T, F) of the frames that a further block (N,) completes."""
        config = self._filterbank.config
        self._held = np.concatenate([self._held, samples.astype(np.float32, copy=False)])
        total = self._dropped + len(self._held)
        if total < config.window_samples:
            return self._frames(0)
        return self._frames((total + self._before - config.window_samples) // config.shift_samples + 1)

    def finish(self) -> FloatArray:
        """Features (T, F) of the frames that are left when no more samples come."""
        return self._frames(frame_count(self._dropped + len(self._held), self._filterbank.config))

    def _frames(self, end: int) -> FloatArray:
        config, begin = self._filterbank.config, self._next
        if end <= begin:
            return np.empty((0, config.dimension), np.float32)
        total = self._dropped + len(self._held)
        position = np.arange((end - begin - 1) * config.shift_samples + config.window_samples)
        position += begin * config.shift_samples - self._before
        if not config.snip_edges:  # what lies outside the wave mirrors it
            position %= 2 * total
            position = np.where(position < total, position, 2 * total - 1 - position)
        features = self._filterbank.of_windows(self._held[position - self._dropped], begin, end - begin)
        self._next = end
        # A whole window more is kept for the mirror at the end.
        spare = max(0, end * config.shift_samples - self._before - config.window_samples - self._dropped)
        self._held, self._dropped = self._held[spare:], self._dropped + spare
        return features
