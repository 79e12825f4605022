"""Long silences of long recordings, left out before the network sees them. N: samples, C: chunks of 0.1 s.

A stretch counts as silence only where for two seconds on end the level stays at the noise floor and 30 dB below the
loud parts; half a second of it is kept on either side. Speech, however faint, rises above the floor of its recording,
so nothing that was said is lost; loud noise is left to the model, whose blanks cost no more than finding it would.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np

CHUNK_SECONDS = 0.1
SHORTEST = 20  # chunks of silence worth leaving out a part of
KEPT = 5  # chunks kept at either side of it
ABOVE_FLOOR = 4.0  # dB over the floor that noise reaches by itself
BELOW_SPEECH = 30.0  # dB
NOTHING = -75.0  # dB of full scale under which there is nothing in any recording
HISTORY = 3000  # chunks, five minutes, from which floor and loud parts are taken


@dataclass
class SilenceFilter:
    """Passes samples on without their long silences.

    Args:
        sample_rate: Hz.

    Attributes:
        skipped: (start, end) in seconds of what was left out so far.
    """

    sample_rate: int
    skipped: list[tuple[float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._size = round(CHUNK_SECONDS * self.sample_rate)
        self._levels = np.empty(0)  # of the chunks that were dealt with
        self._inside = False  # whether the last of them was left out

    def __call__(self, blocks: Iterable[np.ndarray]) -> Iterator[np.ndarray]:
        """Blocks (N,) without their silences; they are best of some seconds each."""
        size = self._size
        held = np.empty(0, np.float32)
        position = 0  # of the first held sample in the recording
        for block in blocks:
            held = np.concatenate([held, block])
            chunks = held[: len(held) // size * size].reshape(-1, size)
            now = 10.0 * np.log10(np.square(chunks, dtype=np.float64).mean(axis=1) + 1e-12)
            recent = np.concatenate([self._levels, now])[-HISTORY:]
            runs = _runs(now <= _threshold(recent)) if len(now) else []
            done = self._settled(runs, len(now))
            for start, stop in self._kept(runs, done, position):
                yield held[start:stop]
            self._levels = np.concatenate([self._levels, now[:done]])[-HISTORY:]
            held, position = held[done * size :].copy(), position + done * size
        if len(held):
            yield held

    def _settled(self, runs: list[tuple[int, int]], count: int) -> int:
        """How many chunks are dealt with now: of a silence at the end only what is left out for certain."""
        if not runs or runs[-1][1] < count:
            return count
        first, done = runs[-1][0], count - SHORTEST
        certain = done > first if self._inside and first == 0 else done - first > SHORTEST
        return done if certain else first

    def _kept(self, runs: list[tuple[int, int]], done: int, position: int) -> Iterator[tuple[int, int]]:
        """Sample ranges to pass on of the first `done` chunks held, which begin at sample `position`."""
        begin = 0
        inside, self._inside = self._inside, False
        for first, last in runs:
            if first >= done or (last - first < SHORTEST and not (inside and first == 0)):
                continue
            start = first if inside and first == 0 else first + KEPT
            stop = done if last > done else last - KEPT
            if stop <= start:
                continue
            self._inside = last > done
            yield begin * self._size, start * self._size
            self._skip(position + start * self._size, position + stop * self._size)
            begin = stop
        yield begin * self._size, done * self._size

    def _skip(self, start: int, stop: int) -> None:
        span = start / self.sample_rate, stop / self.sample_rate
        if self.skipped and self.skipped[-1][1] == span[0]:
            span = self.skipped.pop()[0], span[1]
        self.skipped.append(span)


def _threshold(levels: np.ndarray) -> float:
    floor, loud = np.percentile(levels, [5, 98], method="lower")
    return max(NOTHING, min(floor + ABOVE_FLOOR, loud - BELOW_SPEECH))


def _runs(quiet: np.ndarray) -> list[tuple[int, int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def in_recording(time: float, skipped: list[tuple[float, float]]) -> float:
    """Seconds in the recording of a time (s) in what was left of it; `skipped` ascends."""
    for start, end in skipped:
        if time <= start:
            break
        time += end - start
    return time
