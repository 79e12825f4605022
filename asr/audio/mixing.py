"""From several channels to one, without losing what stands in all of them with opposite signs.

Shapes: N samples, C channels.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator

import numpy as np

log = logging.getLogger("asr")

OPPOSITE = -0.5  # correlation of two channels below which their difference says more than their average
LOOKED_AT = 1 << 20  # samples looked at before it is decided which: 20 s at 48 kHz; nothing in a live stream
CANCELLED = 0.01  # share of the channels' power left in their average (-20 dB) under which they cancel out


class Mixer:
    """Makes one channel of many.

    Two channels in opposite phase, as a wrongly wired microphone gives, cancel in their average: their difference is
    taken then, which is told. The average of more channels is told of at the end where it cancels.

    Args:
        name: of the recording, for messages.
        channels: C.
        chosen: the channel to take; None mixes all.
        live: whether nothing may be waited for.
    """

    def __init__(self, name: str, channels: int, chosen: int | None, *, live: bool = False) -> None:
        self.name, self.chosen = name, 0 if channels == 1 else chosen
        self.waits = channels == 2 and chosen is None and not live
        self._opposite = False
        self._power = self._left = 0.0

    def __call__(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """Blocks (N,) of blocks (N, C)."""
        if self.chosen is not None:
            for block in blocks:
                yield block[:, self.chosen]
            return
        for block in self._decided(blocks) if self.waits else blocks:
            with np.errstate(invalid="ignore", over="ignore"):  # infinities are refused later, with their place
                mono: np.ndarray = (block[:, 0] - block[:, 1]) / 2 if self._opposite else block.mean(axis=1)
                self._power += float(np.square(block, dtype=np.float64).mean(axis=1).sum())
                self._left += float(np.square(mono, dtype=np.float64).sum())
            yield mono
        if self._left < CANCELLED * self._power:
            log.warning("%s: its channels cancel each other out; choose one with --channel", self.name)

    def _decided(self, blocks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        """The same blocks, held back until it is known how to mix them."""
        held: deque[np.ndarray] = deque()
        seen, products = 0, np.zeros((2, 2))
        for block in blocks:
            held.append(block)
            wide = np.nan_to_num(block.astype(np.float64), posinf=0.0, neginf=0.0)
            products += wide.T @ wide
            seen += len(block)
            if seen >= LOOKED_AT:
                break
        size = float(np.sqrt(products[0, 0] * products[1, 1]))
        self._opposite = bool(size > 0 and products[0, 1] < OPPOSITE * size)
        if self._opposite:
            log.warning("%s: its two channels are in opposite phase; taking their difference", self.name)
        while held:
            yield held.popleft()
        yield from blocks
