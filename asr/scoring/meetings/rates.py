"""cpWER, time-constrained cpWER and ORC-WER of one session, as MeetEval defines them.

cpWER: Watanabe et al., "CHiME-6 challenge", 2020. tcpWER: von Neumann et al., "MeetEval: a toolkit for computation of
word error rates for meeting transcription systems", CHiME 2023. Words of a segment get times in proportion to their
letters; those of the hypothesis are points in the middle, widened by the collar.

Shapes: R reference speakers, H hypothesis speakers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from asr.scoring.meetings.assignment import cheapest_assignment
from asr.scoring.meetings.distance import (
    Errors,
    Floats,
    Ints,
    combination_cost,
    constrained_cost,
    numbered,
    unpacked,
)
from asr.scoring.meetings.segments import Turn, by_speaker

Stream = tuple[Ints, Floats]
COLLAR = 5.0
"""Seconds that a word of the hypothesis may lie beside its place."""


class SpeakerErrors(NamedTuple):
    """Errors under the best assignment of speakers; None stands for no speaker."""

    errors: Errors
    assignment: list[tuple[str | None, str | None]]
    missed_speakers: int
    surplus_speakers: int


def cp_errors(ref: Sequence[Turn], hyp: Sequence[Turn]) -> SpeakerErrors:
    """Concatenated minimum-permutation errors: all words of a speaker in the order of time, speakers assigned best."""
    return _permuted(ref, hyp, lambda a, b: constrained_cost(a[0], b[0]), None)


def tcp_errors(ref: Sequence[Turn], hyp: Sequence[Turn], collar: float = COLLAR) -> SpeakerErrors:
    """As `cp_errors`, but words match only where their times overlap.

    Args:
        ref, hyp: turns of one session.
        collar: seconds by which each word of the hypothesis is widened on both sides.
    """
    return _permuted(ref, hyp, lambda a, b: constrained_cost(a[0], b[0], a[1], b[1]), collar)


def orc_errors(ref: Sequence[Turn], hyp: Sequence[Turn]) -> Errors:
    """Optimal-reference-combination errors: each turn of the reference goes to the stream that fits it best."""
    groups = by_speaker(sorted(hyp, key=lambda turn: turn.start))
    said = [turn.words.split() for turn in sorted(ref, key=lambda turn: turn.start)]
    heard = [[word for turn in turns for word in turn.words.split()] for turns in groups.values()]
    coded = numbered(*said, *heard)
    streams = [stream for stream in coded[len(said) :] if len(stream)]
    cost = combination_cost(coded[: len(said)], streams)
    return unpacked(cost, sum(map(len, said)), sum(map(len, heard)))


def word_times(turn: Turn, words: Sequence[str]) -> Floats:
    """(words, 2) beginnings and ends, in proportion to the letters of each word."""
    ends = np.cumsum([len(word) for word in words], dtype=np.float64)
    scale = (turn.end - turn.start) / ends[-1]
    return turn.start + scale * np.stack([np.concatenate([[0.0], ends[:-1]]), ends], axis=1)


def _permuted(
    ref: Sequence[Turn], hyp: Sequence[Turn], cost_of: Callable[[Stream, Stream], int], collar: float | None
) -> SpeakerErrors:
    ref_names, ref_words, ref_times = _streams(ref, None)
    hyp_names, hyp_words, hyp_times = _streams(hyp, collar)
    coded = numbered(*ref_words, *hyp_words)
    size = max(len(ref_names), len(hyp_names))
    empty: Stream = (np.zeros(0, np.int64), np.zeros((0, 2)))
    said = [*zip(coded[: len(ref_names)], ref_times, strict=True), *[empty] * (size - len(ref_names))]
    heard = [*zip(coded[len(ref_names) :], hyp_times, strict=True), *[empty] * (size - len(hyp_names))]
    costs = np.array([[cost_of(a, b) for b in heard] for a in said], np.float64).reshape(size, size)
    columns = cheapest_assignment(costs)
    total = Errors(0, 0, 0, 0)
    for row, column in enumerate(columns):
        total = total.plus(unpacked(int(costs[row, column]), len(said[row][0]), len(heard[column][0])))
    names = [(_name(ref_names, row), _name(hyp_names, column)) for row, column in enumerate(columns)]
    missed, surplus = max(0, len(ref_names) - len(hyp_names)), max(0, len(hyp_names) - len(ref_names))
    return SpeakerErrors(total, names, missed, surplus)


def _streams(turns: Sequence[Turn], collar: float | None) -> tuple[list[str], list[list[str]], list[Floats]]:
    """Names, words and times of each speaker; with a collar the times are widened points."""
    groups = by_speaker(sorted(turns, key=lambda turn: turn.start))
    words = [[word for turn in group for word in turn.words.split()] for group in groups.values()]
    times = []
    for group in groups.values():
        pieces = [word_times(turn, turn.words.split()) for turn in group if turn.words.split()]
        found = np.concatenate([np.zeros((0, 2)), *pieces])
        if collar is not None:
            found = found.mean(axis=1)[:, None] + np.array([-collar, collar])
        times.append(found)
    return list(groups), words, times


def _name(names: list[str], place: int) -> str | None:
    return names[place] if place < len(names) else None
