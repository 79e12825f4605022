"""Diarisation error rate of one session, as NIST's md-eval-22.pl computes it.

Reference: NIST, "The 2009 Rich Transcription evaluation plan". Speakers are mapped one to one so that they agree for as
long as possible; overlapped speech is scored.

Shapes: P pieces of time between two borders, R and H speakers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.scoring.meetings.assignment import cheapest_assignment
from asr.scoring.meetings.segments import Turn, by_speaker


class Diarisation(NamedTuple):
    """Seconds of speech in the reference (of every speaker), and of what was missed, made up or given to another."""

    scored: float
    missed: float
    false_alarm: float
    confused: float

    @property
    def rate(self) -> float:
        """All errors by scored speech; 0 for 0/0 and infinite for n/0."""
        wrong = self.missed + self.false_alarm + self.confused
        if self.scored:
            return wrong / self.scored
        return float("inf") if wrong else 0.0

    def plus(self, other: Diarisation) -> Diarisation:
        return Diarisation(*(a + b for a, b in zip(self, other, strict=True)))


def diarisation_errors(
    ref: Sequence[Turn], hyp: Sequence[Turn], collar: float = 0.0, regions: Sequence[tuple[float, float]] = ()
) -> Diarisation:
    """Compare who spoke when.

    Args:
        ref, hyp: turns of one session; words do not matter.
        collar: seconds around each border of the reference that are not scored.
        regions: stretches that are scored; none means from the first border of the reference to its last.
    """
    spans = {"ref": _merged(ref), "hyp": _merged(hyp)}
    if not spans["ref"] and not regions:
        return Diarisation(0.0, 0.0, 0.0, 0.0)
    every = [span for group in spans["ref"].values() for span in group]
    regions = regions or [(min(begin for begin, _ in every), max(end for _, end in every))]
    silent = [(border - collar, border + collar) for span in every for border in span] if collar > 0 else []
    claimed = [span for group in spans["hyp"].values() for span in group]
    borders = np.unique([border for span in [*every, *claimed, *regions, *silent] for border in span])
    middles, lengths = (borders[1:] + borders[:-1]) / 2, np.diff(borders)
    inside = _covered(middles, regions)
    scored = inside & ~_covered(middles, silent)
    said, heard = (
        np.array([_covered(middles, group) for group in spans[side].values()], bool).reshape(-1, len(middles))
        for side in ("ref", "hyp")
    )
    return _counted(said, heard, lengths * inside, lengths * scored)


def _counted(
    said: npt.NDArray[np.bool_], heard: npt.NDArray[np.bool_], lengths: npt.NDArray[np.float64],
    time: npt.NDArray[np.float64],
) -> Diarisation:  # fmt: skip
    """Sum (P,) pieces up; `said` (R, P) and `heard` (H, P) say who speaks in each.

    Speakers are mapped by all (P,) `lengths`, those within the collar too; only `time` is scored.
    """
    size = max(len(said), len(heard))
    agree = np.zeros((size, size))
    agree[: len(said), : len(heard)] = (said * lengths) @ heard.T.astype(np.float64)
    pairs = [(r, h) for r, h in enumerate(cheapest_assignment(-agree)) if r < len(said) and h < len(heard)]
    right = sum((said[r] & heard[h] for r, h in pairs if agree[r, h] > 0), np.zeros(len(lengths)))
    speaking, claimed = said.sum(axis=0), heard.sum(axis=0)

    def seconds(count: npt.NDArray[np.float64]) -> float:
        return float(np.sum(count * time))

    return Diarisation(
        seconds(speaking),
        seconds(np.maximum(speaking - claimed, 0)),
        seconds(np.maximum(claimed - speaking, 0)),
        seconds(np.minimum(speaking, claimed) - right),
    )


def _merged(turns: Sequence[Turn]) -> dict[str, list[tuple[float, float]]]:
    """Speaker -> stretches of speech; those that touch or overlap are one."""
    merged: dict[str, list[tuple[float, float]]] = {}
    for speaker, group in by_speaker(turns).items():
        spans: list[tuple[float, float]] = []
        for begin, end in sorted((turn.start, turn.end) for turn in group if turn.end > turn.start):
            if spans and begin <= spans[-1][1]:
                spans[-1] = (spans[-1][0], max(spans[-1][1], end))
            else:
                spans.append((begin, end))
        if spans:
            merged[speaker] = spans
    return merged


def _covered(points: npt.NDArray[np.float64], spans: Sequence[tuple[float, float]]) -> npt.NDArray[np.bool_]:
    """Which points lie in any of the spans."""
    inside = np.zeros(len(points), bool)
    for begin, end in spans:
        inside |= (points > begin) & (points < end)
    return inside
