"""Errors that are none but for word boundaries: compounds joined ("base ball" as "baseball") or split.

Shapes: N utterances, E edits.
"""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import numpy as np

from asr.scoring.rates.alignment import INSERTION, OPTIONAL, SUBSTITUTION
from asr.scoring.rates.wer import Score


class Boundaries(NamedTuple):
    """Runs of errors whose letters are the same on both sides.

    Attributes:
        joined: places where the hypothesis has fewer words than the reference.
        split: places where it has more.
        moved: places where it has as many, cut elsewhere.
        errors: errors in all of them.
        examples: (reference words, hypothesis words, times), the most frequent first.
    """

    joined: int
    split: int
    moved: int
    errors: int
    examples: list[tuple[str, str, int]]


def boundaries(score: Score, most: int = 20) -> Boundaries:
    """Look for them in every run of at least two errors side by side.

    Args:
        score: of words.
        most: how many examples.
    """
    edits, alignments = score.alignments.edits, score.alignments
    kinds = edits.kinds
    if len(kinds) < 2:
        return Boundaries(0, 0, 0, 0, [])
    on_ref, on_hyp = kinds != INSERTION, (kinds == SUBSTITUTION) | (kinds == INSERTION)
    owner = np.repeat(np.arange(len(score)), np.diff(edits.offsets))
    together = (owner[1:] == owner[:-1]) & (edits.refs[1:] == edits.refs[:-1] + on_ref[:-1])
    together &= edits.hyps[1:] == edits.hyps[:-1] + on_hyp[:-1]
    together &= (kinds[1:] != OPTIONAL) & (kinds[:-1] != OPTIONAL)
    begins = np.flatnonzero(np.concatenate([[True], ~together]))
    ends = np.concatenate([begins[1:], [len(kinds)]])
    found: Counter[tuple[str, str]] = Counter()
    counts = {"joined": 0, "split": 0, "moved": 0}
    errors = 0
    for begin, end in zip(begins[ends - begins > 1].tolist(), ends[ends - begins > 1].tolist(), strict=True):
        run = slice(begin, end)
        ref = [alignments.vocabulary[word] for word in alignments.refs.ids[edits.refs[run][on_ref[run]]]]
        hyp = [alignments.vocabulary[word] for word in alignments.hyps.ids[edits.hyps[run][on_hyp[run]]]]
        if not ref or not hyp or "".join(ref) != "".join(hyp):
            continue
        counts["joined" if len(hyp) < len(ref) else "split" if len(hyp) > len(ref) else "moved"] += 1
        errors += end - begin
        found[" ".join(ref), " ".join(hyp)] += 1
    examples = [(ref, hyp, times) for (ref, hyp), times in found.most_common(most)]
    return Boundaries(counts["joined"], counts["split"], counts["moved"], errors, examples)
