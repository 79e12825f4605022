"""Where the errors are: by speaker, recording, condition and length; which words; unknown words; n-best oracles.

Shapes: N utterances, E edits, G groups.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from asr.scoring.rates.alignment import DELETION, INSERTION, SUBSTITUTION, Ints, align
from asr.scoring.rates.wer import Score, Totals
from asr.scoring.statistics.bootstrap import RESAMPLES, Interval, corpus_interval, sum_by_group

LENGTH_EDGES = (1, 2, 4, 8, 16, 32, 64, 128)
DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100)
UNKNOWN_GROUP = "(none)"
MOST_INTERVALS = 500
"""A thousand groups would spend their time on intervals of a handful of utterances each."""


class Group(NamedTuple):
    """Utterances that share a property; no interval when there are more than `MOST_INTERVALS` groups."""

    name: str
    utterances: int
    wrong: int
    totals: Totals
    interval: Interval | None


class Confusion(NamedTuple):
    """How often a reference word was heard as another; "" on the side that has none."""

    ref: str
    hyp: str
    times: int


class Unknown(NamedTuple):
    """Reference words outside a vocabulary: how many, how many different ones, and their share of the errors.

    `errors` are substitutions and deletions of such words.
    """

    words: int
    different: int
    rate: float
    errors: int
    examples: list[str]


def by_field(score: Score, field: str, resamples: int = RESAMPLES, seed: int = 0) -> list[Group]:
    """A group for each value of a field, in order of appearance; an empty value is called "(none)".

    Args:
        score: what to break down; its `fields` must hold `field`.
        resamples, seed: of the intervals.
    """
    return _groups(score, [value or UNKNOWN_GROUP for value in score.fields[field]], resamples, seed)


def by_length(score: Score, resamples: int = RESAMPLES, seed: int = 0) -> list[Group]:
    """A group for each range of reference lengths that occurs, shortest first."""
    bins = np.digitize(score.lengths, LENGTH_EDGES)
    starts = (0, *LENGTH_EDGES)
    ends = [edge - 1 for edge in LENGTH_EDGES]
    names = [f"{a}" if a == b else f"{a}-{b}" for a, b in zip(starts, ends, strict=False)] + [f"{LENGTH_EDGES[-1]}+"]
    groups = {group.name: group for group in _groups(score, [names[b] for b in bins], resamples, seed)}
    return [groups[name] for name in names if name in groups]


def _groups(score: Score, names: Sequence[str], resamples: int, seed: int) -> list[Group]:
    wrong = (score.errors > 0).astype(np.int64)
    rows = np.column_stack([score.counts, wrong, np.ones(len(score), np.int64)])
    labels, sums = sum_by_group(rows, names)
    positions = {label: position for position, label in enumerate(labels)}
    owner = np.fromiter((positions[name] for name in names), np.int64, len(names))
    order = np.argsort(owner, kind="stable")
    members = np.split(order, np.cumsum(sums[:, 5])[:-1])
    errors, lengths = score.errors, score.lengths
    return [
        Group(
            label,
            int(row[5]),
            int(row[4]),
            Totals(*map(int, row[:4])),
            corpus_interval(errors[member], lengths[member], None, resamples, seed)
            if len(labels) <= MOST_INTERVALS
            else None,
        )
        for label, row, member in zip(labels, sums, members, strict=True)
    ]


def confusions(score: Score, kind: int = SUBSTITUTION, most: int | None = 50) -> list[Confusion]:
    """The most frequent substitutions, deletions or insertions, most frequent first, then in the order of the words.

    Args:
        score: what to look into.
        kind: SUBSTITUTION, DELETION or INSERTION of `asr.scoring.rates.alignment`.
        most: how many; None for all.
    """
    alignments = score.alignments
    here = alignments.edits.kinds == kind
    refs, hyps = alignments.edits.refs[here], alignments.edits.hyps[here]
    size = len(alignments.vocabulary) + 1
    ref_ids = alignments.refs.ids[refs].astype(np.int64) + 1 if kind != INSERTION else np.zeros(len(refs), np.int64)
    hyp_ids = alignments.hyps.ids[hyps].astype(np.int64) + 1 if kind != DELETION else np.zeros(len(hyps), np.int64)
    keys, counts = np.unique(ref_ids * size + hyp_ids, return_counts=True)
    if most is not None and len(counts) > most:
        frequent = counts >= np.partition(counts, -most)[-most]
        keys, counts = keys[frequent], counts[frequent]
    words = ["", *alignments.vocabulary]
    found = [
        Confusion(words[key // size], words[key % size], int(count)) for key, count in zip(keys, counts, strict=True)
    ]
    return sorted(found, key=lambda pair: (-pair.times, pair.ref, pair.hyp))[:most]


def unknown_words(score: Score, vocabulary: set[str], most: int = 20) -> Unknown:
    """Out-of-vocabulary words of the references; no recogniser with this vocabulary can get them right."""
    alignments = score.alignments
    outside = np.array([word not in vocabulary for word in alignments.vocabulary], dtype=bool)
    if not len(alignments.refs.ids):
        return Unknown(0, 0, 0.0, 0, [])
    is_unknown = outside[alignments.refs.ids]
    lost = np.isin(alignments.edits.kinds, (SUBSTITUTION, DELETION))
    errors = int(np.count_nonzero(is_unknown[alignments.edits.refs[lost]]))
    counts = Counter(alignments.vocabulary[word] for word in alignments.refs.ids[is_unknown].tolist())
    words = int(is_unknown.sum())
    return Unknown(words, len(counts), words / len(is_unknown), errors, [word for word, _ in counts.most_common(most)])


def oracle(score: Score, nbest: Mapping[str, Sequence[str]]) -> dict[int, Totals]:
    """Totals if the best of the first k readings of every utterance had been chosen, for each depth k of interest.

    Args:
        score: the score of the first readings; its unit, costs and profile are used.
        nbest: utterance id -> readings, best first; an utterance without any keeps its hypothesis.
    """
    readings = [list(nbest.get(key, ())) or [hyp] for key, hyp in zip(score.ids, score.hyps, strict=True)]
    sizes = np.array([len(group) for group in readings])
    owner = np.repeat(np.arange(len(score)), sizes)
    flat = score.profile.apply_all(reading for group in readings for reading in group)
    counts = align([score.refs[n] for n in owner], flat, score.unit, score.costs).counts()
    rank = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    longest = int(sizes.max()) if len(sizes) else 0
    depths = [depth for depth in DEPTHS if depth < longest] + ([longest] if longest else [])
    return {depth: _best(counts[rank < depth], owner[rank < depth]) for depth in depths}


def _best(counts: Ints, owner: Ints) -> Totals:
    """Sum of the counts of the reading with fewest errors of each utterance, the first of equals."""
    order = np.lexsort((counts[:, 1:].sum(axis=1), owner))
    first = order[np.concatenate([[True], np.diff(owner[order]) > 0])]
    return Totals(*map(int, counts[first].sum(axis=0)))


def most_different(a: Score, b: Score, most: int = 20) -> list[tuple[str, int]]:
    """Utterances with the greatest difference of errors, (id, errors of A - errors of B); equal ones are left out."""
    difference = a.errors - b.errors
    order = np.argsort(-np.abs(difference), kind="stable")[:most]
    return [(a.ids[n], int(difference[n])) for n in order if difference[n]]
