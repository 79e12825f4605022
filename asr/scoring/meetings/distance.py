"""Edit distances with what meetings need: time constraints, and one reference dealt out over several streams.

Costs are held as one whole number, edits x `EDIT` - substitutions, so that of alignments with equally many errors the
one with most substitutions is counted, without a table to walk back through.

Shapes: R reference words, H hypothesis words, K streams with H_k words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.errors import ScoringError

EDIT = 1 << 32
MOST_STATES = 30_000_000
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


class Errors(NamedTuple):
    """Kinds of errors, and reference words."""

    substitutions: int
    deletions: int
    insertions: int
    reference: int

    @property
    def errors(self) -> int:
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """Errors by reference words; 0 for 0/0 and infinite for n/0."""
        if self.reference:
            return self.errors / self.reference
        return float("inf") if self.errors else 0.0

    def plus(self, other: Errors) -> Errors:
        return Errors(*(a + b for a, b in zip(self, other, strict=True)))


def unpacked(cost: int, reference: int, hypothesis: int) -> Errors:
    """The errors of a cost: deletions and insertions follow from the numbers of words."""
    edits = -(-cost // EDIT)
    substitutions = edits * EDIT - cost
    both = edits - substitutions
    deletions = (both + reference - hypothesis) // 2
    return Errors(substitutions, deletions, both - deletions, reference)


def numbered(*sides: Sequence[str]) -> list[Ints]:
    """Words as numbers over one vocabulary."""
    ids: dict[str, int] = {}
    return [np.array([ids.setdefault(word, len(ids)) for word in side], np.int64) for side in sides]


def constrained_cost(ref: Ints, hyp: Ints, ref_times: Floats | None = None, hyp_times: Floats | None = None) -> int:
    """Cost of the cheapest alignment in which only words whose times overlap are matched or substituted.

    Args:
        ref, hyp: (R,) and (H,) words as numbers.
        ref_times, hyp_times: (R, 2) and (H, 2) beginnings and ends; None lets all overlap (Levenshtein distance).
    """
    steps = np.arange(len(hyp) + 1, dtype=np.int64) * EDIT
    row = steps.copy()
    never = (len(ref) + len(hyp) + 1) * EDIT
    for i in range(len(ref)):
        across = np.where(hyp == ref[i], 0, EDIT - 1)
        if ref_times is not None and hyp_times is not None:
            overlap = (ref_times[i, 0] < hyp_times[:, 1]) & (ref_times[i, 1] > hyp_times[:, 0])
            across = np.where(overlap, across, never)
        best = row + EDIT
        np.minimum(best[1:], row[:-1] + across, out=best[1:])
        row = np.minimum.accumulate(best - steps) + steps
    return int(row[-1])


def combination_cost(utterances: Sequence[Ints], streams: Sequence[Ints]) -> int:
    """Cost of dealing the utterances of a reference, in their order, out to the streams that fit them best (ORC).

    Sperber et al., "Lattice-based lightly-supervised acoustic model training" is no source of it; the definition is
    Sklyar et al., "Multi-turn RNN-T for streaming recognition of multi-party speech", ICASSP 2022, and the dynamic
    programme that of von Neumann et al., "On word error rate definitions and their efficient computation for
    multi-speaker speech recognition systems", ICASSP 2023.

    Args:
        utterances: the words of each utterance of the reference.
        streams: K streams of hypothesis words.

    Raises:
        ScoringError: the product of the lengths of the streams is too large.
    """
    shape = tuple(len(stream) + 1 for stream in streams)
    if np.prod([float(size) for size in shape]) > MOST_STATES:
        reason = f"has {len(streams)} streams of {', '.join(str(size - 1) for size in shape)} words"
        raise ScoringError("ORC", reason + ", whose product is too large", "cut the session, or score by cpWER")
    if not streams:
        return sum(map(len, utterances)) * EDIT
    ramps = [
        (np.arange(size, dtype=np.int64) * EDIT).reshape([size if axis == k else 1 for axis in range(len(shape))])
        for k, size in enumerate(shape)
    ]
    state = np.zeros(shape, np.int64)
    for ramp in ramps:
        state = state + ramp
    for words in utterances:
        if len(words):
            ways = (_advanced(state, words, stream, axis, ramps[axis]) for axis, stream in enumerate(streams))
            best = next(ways)
            for way in ways:
                np.minimum(best, way, out=best)
            state = best
    return int(state[(-1,) * len(shape)])


def _advanced(state: Ints, words: Ints, stream: Ints, axis: int, ramp: Ints) -> Ints:
    """The state after all words of an utterance were aligned with one stream."""
    state = np.moveaxis(state, axis, -1)
    ramp = ramp.reshape(-1)
    for word in words:
        best = state + EDIT
        np.minimum(best[..., 1:], state[..., :-1] + np.where(stream == word, 0, EDIT - 1), out=best[..., 1:])
        best -= ramp
        np.minimum.accumulate(best, axis=-1, out=best)
        best += ramp
        state = best
    return np.moveaxis(state, -1, axis)
