"""Scoring references that hold alternatives or optional words: resolve each to its nearest reading, keep the rest fast.

Shapes: N utterances, E edits in all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from asr.scoring.rates.alignment import OPTIONAL, Alignments, Edits, Unit, align, apart
from asr.scoring.rates.lattice import Reading, has_markup, nearest_reading, parse_network


def align_with_markup(
    ids: Sequence[str],
    refs: Sequence[str],
    hyps: Sequence[str],
    normalise: Callable[[str], str],
    unit: Unit,
    costs: str,
) -> tuple[list[str], Alignments]:
    """Align references that may hold `{ a / b }` and `(word)`.

    Args:
        ids: N utterance ids, for messages.
        refs: N references as they are written.
        hyps: N normalised hypotheses.
        normalise: what the words of a reference go through.
        unit: "word" or "char"; characters are compared after the words have chosen a reading, and an optional word
            that was left out has none.
        costs: as in `alignment.align`.

    Returns:
        The N references as they were read, and their alignments.

    Raises:
        ScoringError: braces do not match; the message names the utterance.
    """
    if unit == "auto":
        hyps = [apart(hyp) for hyp in hyps]
    spelled = (lambda word: apart(normalise(word))) if unit == "auto" else normalise
    readings = {
        n: nearest_reading(parse_network(ids[n], ref, spelled), hyps[n].split(), costs)
        for n, ref in enumerate(refs)
        if has_markup(ref)
    }
    spoken = [_words_of(readings[n], unit) if n in readings else normalise(ref) for n, ref in enumerate(refs)]
    alignments = align(spoken, hyps, unit, costs)
    return spoken, alignments if unit == "char" else _replace_edits(alignments, readings)


def _words_of(reading: Reading, unit: Unit) -> str:
    left_out = {at for kind, at, _ in reading.edits if kind == OPTIONAL} if unit == "char" else set()
    return " ".join(word for at, word in enumerate(reading.words) if at not in left_out)


def _replace_edits(alignments: Alignments, readings: dict[int, Reading]) -> Alignments:
    """Put the edits of the readings in the place of those that `align` found without knowing what is optional."""
    if not readings:
        return alignments
    old = alignments.edits
    replaced = np.zeros(len(alignments), bool)
    replaced[list(readings)] = True
    owner = np.repeat(np.arange(len(alignments)), np.diff(old.offsets))
    kept = ~replaced[owner]
    new = [(n, rank, *edit) for n, reading in readings.items() for rank, edit in enumerate(reading.edits)]
    table = np.array(new, np.int64).reshape(-1, 5)
    owners = np.concatenate([owner[kept], table[:, 0]])
    order = np.argsort(owners, kind="stable")
    kinds = np.concatenate([old.kinds[kept], table[:, 2].astype(np.uint8)])[order]
    refs = np.concatenate([old.refs[kept], table[:, 3] + alignments.refs.offsets[table[:, 0]]])[order]
    heard = np.concatenate([old.hyps[kept], table[:, 4] + alignments.hyps.offsets[table[:, 0]]])[order]
    offsets = np.concatenate([[0], np.cumsum(np.bincount(owners, minlength=len(alignments)))])
    edits = Edits(kinds, refs, heard, offsets.astype(np.int64))
    return Alignments(alignments.vocabulary, alignments.refs, alignments.hyps, edits)
