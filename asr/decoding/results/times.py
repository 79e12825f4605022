"""From units with frames to words with seconds. T: frames, L: units of a reading.

A unit lasts from the first frame of its run in the best path up to the frame after the last one; frame t covers the
seconds [t, t + 1) * seconds_per_frame. A word lasts from its first unit to the end of its last; a separating space
belongs to no word.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decoding.results.hypothesis import Word
from asr.units import SPACE, Units


@dataclass(frozen=True, slots=True)
class UnitSpan:
    """One unit of a reading in time: `[start, end)` in seconds, and the highest log-probability it has there."""

    unit: int
    start: float
    end: float
    log_prob: float


def split_words(tokens: Sequence[int], units: Units) -> list[tuple[str, int, int]]:
    """Cut a reading into its words.

    Returns:
        (word, first, end) triples: the word is spelled by `tokens[first:end]`. The words joined by single spaces are
        `units.decode(tokens)`.
    """
    marks, first = units.word_marks, 0
    spans: list[tuple[int, int]] = []
    for position, token in enumerate(tokens):
        if mark := marks[token]:
            spans.append((first, position))
            first = position + (mark == SPACE)
    spans.append((first, len(tokens)))
    return [(word, *span) for span in spans if (word := units.decode(tokens[span[0] : span[1]]))]


def unit_spans(
    log_probs: NDArray[np.floating], tokens: Sequence[int], frames: NDArray[np.integer], seconds_per_frame: float
) -> list[UnitSpan]:
    """Give each unit its seconds.

    Args:
        log_probs: (T, V).
        tokens: (L,) unit ids.
        frames: (L, 2) first frame and frame after the last of each unit.
        seconds_per_frame: of the acoustic model's output.
    """
    seconds = (frames * seconds_per_frame).tolist()
    peaks = unit_peaks(log_probs, tokens, frames).tolist()
    return [
        UnitSpan(int(token), start, end, peak)
        for token, (start, end), peak in zip(tokens, seconds, peaks, strict=True)
    ]  # fmt: skip


def unit_peaks(
    log_probs: NDArray[np.floating], tokens: Sequence[int], frames: NDArray[np.integer]
) -> NDArray[np.floating]:
    """Highest log-probability that each unit has within its frames: (L,)."""
    if not len(tokens):
        return np.empty(0, log_probs.dtype)
    lengths = frames[:, 1] - frames[:, 0]
    firsts = np.cumsum(lengths) - lengths  # where each unit's frames begin once they are laid end to end
    rows = np.repeat(frames[:, 0] - firsts, lengths) + np.arange(lengths.sum())
    values = log_probs[rows, np.repeat(np.asarray(tokens), lengths)]
    return np.asarray(np.maximum.reduceat(values, firsts))


def timed_words(spans: Sequence[UnitSpan], units: Units) -> list[Word]:
    """Words with times; their confidence is the geometric mean of their units' highest probabilities."""
    return [
        Word(text, spans[first].start, spans[end - 1].end, geometric_mean(spans[first:end]))
        for text, first, end in split_words([span.unit for span in spans], units)
    ]


def geometric_mean(spans: Sequence[UnitSpan]) -> float:
    """Geometric mean of the units' highest probabilities, in 0..1."""
    return float(min(1.0, np.exp(np.mean([span.log_prob for span in spans]))))
