"""Best-path decoding: the most probable unit of each frame, repeats merged, blanks removed.

T: frames, V: units, L: units of a reading.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.results.times import UnitSpan, timed_words
from asr.units import BLANK, Units


class GreedyDecoder:
    """Best-path decoding (Graves et al. 2006, section 3.2).

    Args:
        units: the acoustic model's units.
        seconds_per_frame: of its output.
    """

    def __init__(self, units: Units, seconds_per_frame: float) -> None:
        self.units = units
        self.seconds_per_frame = seconds_per_frame

    def decode(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        """The one reading of the best path.

        Its scores are the log-probability of that single path, not of all paths that read the same. A word's
        confidence is the geometric mean of its units' highest probabilities.

        Args:
            log_probs: (T, V) natural-log probabilities.

        Raises:
            DecodingError: wrong shape, NaN, or rows that are not normalised.
        """
        check_log_probs(log_probs, len(self.units))
        path = log_probs.argmax(axis=1)
        return [self._reading(path, log_probs[np.arange(len(path)), path])]

    def _reading(self, path: NDArray[np.int64], best: NDArray[np.floating]) -> Hypothesis:
        """The reading of a path (T,) whose units have log-probabilities (T,)."""
        tokens, frames = collapse(path)
        score = float(best.sum(dtype=np.float64))
        spans = [
            UnitSpan(token, start, end, float(best[first:last].max()))
            for token, (first, last), (start, end) in zip(
                tokens, frames.tolist(), (frames * self.seconds_per_frame).tolist(), strict=True
            )
        ]
        return Hypothesis(
            text=self.units.decode(tokens), score=score, words=timed_words(spans, self.units),
            tokens=tokens, acoustic_score=score,
        )  # fmt: skip


def collapse(path: NDArray[np.integer]) -> tuple[list[int], NDArray[np.int64]]:
    """Merge the runs of a frame-wise path and drop the blanks.

    Args:
        path: (T,) unit id of each frame.

    Returns:
        (L,) unit ids, and (L, 2) first frame and frame after the last of each.
    """
    starts = np.flatnonzero(np.diff(path, prepend=-1))
    ends = np.append(starts, len(path))[1:]
    spoken = path[starts] != BLANK
    return path[starts][spoken].tolist(), np.stack([starts, ends], axis=1)[spoken].astype(np.int64)
