"""Is system A really better than system B? Tests on the same utterances, all two-sided.

Shapes: N utterances, E edits, S segments.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from asr.errors import ScoringError
from asr.scoring.rates.alignment import INSERTION, OPTIONAL, Ints
from asr.scoring.rates.wer import Score
from asr.scoring.statistics.bootstrap import LEVEL, RESAMPLES, Floats, Interval, resampled, sum_by_group

FEWEST_SEGMENTS = 50
"""Segments that differ from which the normal distribution is near enough."""
BUFFER_WORDS = 2
"""Words that both systems must have right between two segments, as in NIST's sc_stats."""


class PairedBootstrap(NamedTuple):
    """Difference of the rates of A and B (negative: A is better), its interval, p and the share in which A wins."""

    difference: float
    interval: Interval
    p: float
    a_better: float


class MatchedPairs(NamedTuple):
    """Matched-pairs sentence-segment word error test: segments, mean difference of their errors, z and p.

    With fewer than `FEWEST_SEGMENTS` segments that differ, p is that of the exact permutation test, as z is not normal;
    z is NaN where the segments have no spread.
    """

    segments: int
    mean: float
    z: float
    p: float
    exact: bool = False


class McNemar(NamedTuple):
    """Utterances that only A, and only B, has entirely right, and p of so uneven a split."""

    only_a_right: int
    only_b_right: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """All tests of system A against system B."""

    a: str
    b: str
    by_utterance: PairedBootstrap
    by_speaker: PairedBootstrap | None
    mapsswe: MatchedPairs
    mcnemar: McNemar


def compare(
    a: Score, b: Score, speakers: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> Comparison:
    """Run all tests on two scores of the same references.

    Args:
        a, b: scores with the same utterances.
        speakers: N speakers, for the bootstrap by speaker; at least two different ones are needed for it.
        resamples, seed: of the bootstrap.

    Raises:
        ScoringError: the utterances differ.
    """
    check_comparable(a, b)
    grouped = paired_bootstrap(a, b, speakers, resamples, seed) if speakers and len(set(speakers)) > 1 else None
    single = paired_bootstrap(a, b, None, resamples, seed)
    return Comparison(a.name, b.name, single, grouped, mapsswe(a, b), mcnemar(a, b))


def check_comparable(a: Score, b: Score) -> None:
    """Refuse to compare what was not measured in the same way.

    Raises:
        ScoringError: the utterances, the normalisation, the unit or the alignment costs differ.
    """
    names = f"{a.name} and {b.name}"
    if a.ids != b.ids:
        raise ScoringError(names, "were scored on different utterances", "score both on one set")
    if a.profile.digest != b.profile.digest:
        reason = f"were normalised by different rules, {a.profile.label} and {b.profile.label}"
        raise ScoringError(names, reason, "score both with the same profile and version")
    if (a.unit, a.costs) != (b.unit, b.costs):
        reason = f"were scored by {a.unit} at {a.costs} costs and by {b.unit} at {b.costs} costs"
        raise ScoringError(names, reason, "score both alike")


def paired_bootstrap(
    a: Score, b: Score, groups: Sequence[str] | None = None, resamples: int = RESAMPLES, seed: int = 0
) -> PairedBootstrap:
    """Draw the same utterances (or speakers) for both systems and look at the difference of their rates.

    p is twice the smaller share of draws in which the sign is reversed or gone, each share with one draw added so
    that it is never zero (Bisani and Ney 2004; Davison and Hinkley 1997, section 4.2.3). It is never below 2^(1 - n)
    for n units that differ: no test on n pairs can be surer than the sign test when all point one way.
    """
    rows = np.stack([a.errors, b.errors, a.lengths, b.lengths], axis=1)
    rows = rows if groups is None else sum_by_group(rows, groups)[1]
    differences = np.concatenate([_difference(draws @ classes) for classes, draws in resampled(rows, resamples, seed)])
    total = rows.sum(axis=0)[None].astype(np.float64)
    tail = 50 * (1 - LEVEL)
    low, high = np.percentile(differences, [tail, 100 - tail])
    reversed_share = min(np.count_nonzero(differences >= 0), np.count_nonzero(differences <= 0)) + 1
    differing = int(np.count_nonzero(rows[:, 0] * rows[:, 3] != rows[:, 1] * rows[:, 2]))
    p = min(1.0, max(float(2 * reversed_share / (resamples + 1)), 2.0 ** (1 - differing)))
    wins = float(np.mean(differences < 0))
    return PairedBootstrap(float(_difference(total)[0]), Interval(float(low), float(high), len(rows)), p, wins)


def _difference(sums: Floats) -> Floats:
    """(b,) rate of A minus rate of B; draws without any reference token count as no difference."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(sums[:, 0] / sums[:, 2] - sums[:, 1] / sums[:, 3], posinf=0.0, neginf=0.0)


def mapsswe(a: Score, b: Score, buffer_words: int = BUFFER_WORDS) -> MatchedPairs:
    """Matched-pairs test on segments bounded by words that both systems have right.

    Reference: Gillick and Cox, "Some statistical issues in the comparison of speech recognition algorithms",
    ICASSP 1989; NIST's sc_stats. Differences of errors in a segment are taken as independent and normal in the mean.
    """
    return matched_pairs(segment_differences(a, b, buffer_words))


def matched_pairs(differences: Ints) -> MatchedPairs:
    """z and p of the (S,) differences; p is 1 when none differs."""
    count, differing = len(differences), int(np.count_nonzero(differences))
    mean = float(np.mean(differences)) if count else 0.0
    deviation = float(np.std(differences, ddof=1)) if count > 1 else 0.0
    z = mean / (deviation / math.sqrt(count)) if deviation else 0.0 if mean == 0.0 else math.nan
    if not deviation:  # all differ by as much: only the sign is left to chance
        return MatchedPairs(count, mean, z, 2.0 ** (1 - count) if differing else 1.0, True)
    if differing < FEWEST_SEGMENTS:
        return MatchedPairs(count, mean, z, permutation_test(differences), True)
    return MatchedPairs(count, mean, z, math.erfc(abs(z) / math.sqrt(2)))


def permutation_test(differences: Ints) -> float:
    """Two-sided p that the sum of (S,) whole numbers is as far from zero when each sign is a fair coin; exact.

    Fisher's test for paired samples; the distribution of the sum is the convolution of those of its terms.
    """
    sizes = np.abs(differences[differences != 0]).tolist()
    total = sum(sizes)
    chances = np.zeros(2 * total + 1)
    chances[total] = 1.0
    for size in sizes:
        chances = 0.5 * (np.roll(chances, size) + np.roll(chances, -size))
    observed = abs(int(differences.sum()))
    return min(1.0, float(chances[: total - observed + 1].sum() + chances[total + observed :].sum()))


def segment_differences(a: Score, b: Score, buffer_words: int = BUFFER_WORDS) -> Ints:
    """(S,) errors of A minus errors of B in each segment.

    An utterance whose two references differ, because each system matched another alternative of it, is one segment.
    """
    parts = [_errors_in_place(score) for score in (a, b)]
    owner, position, on_word = (np.concatenate([part[k] for part in parts]) for k in range(3))
    sign = np.repeat([1, -1], [len(part[0]) for part in parts])
    if not len(owner):
        return np.zeros(0, np.int64)
    order = np.lexsort((on_word, position, owner))
    owner, position, on_word, sign = owner[order], position[order], on_word[order], sign[order]
    right_between = position[1:] - (position[:-1] + on_word[:-1])
    same_reference = np.array([x == y for x, y in zip(a.refs, b.refs, strict=True)])
    begins = (owner[1:] != owner[:-1]) | ((right_between >= buffer_words) & same_reference[owner[1:]])
    segment = np.concatenate([[0], np.cumsum(begins)])
    return np.bincount(segment, weights=sign).astype(np.int64)


def _errors_in_place(score: Score) -> tuple[Ints, Ints, Ints]:
    """(E,) utterance, reference position within it, and 1 for an error on a word, 0 for an insertion before it."""
    edits = score.alignments.edits
    owner = np.repeat(np.arange(len(score)), np.diff(edits.offsets))
    position = edits.refs - score.alignments.refs.offsets[owner]
    kept = edits.kinds != OPTIONAL
    return owner[kept], position[kept], (edits.kinds != INSERTION).astype(np.int64)[kept]


def mcnemar(a: Score, b: Score) -> McNemar:
    """Exact McNemar test at the sentence level: are the utterances that one alone has right evenly split?"""
    a_right, b_right = a.errors == 0, b.errors == 0
    only_a, only_b = int(np.sum(a_right & ~b_right)), int(np.sum(b_right & ~a_right))
    return McNemar(only_a, only_b, sign_test(only_a, only_b))


def sign_test(first: int, second: int) -> float:
    """Two-sided probability of a split at least this uneven of `first + second` tosses of a fair coin."""
    tosses, fewer = first + second, min(first, second)
    if first == second:
        return 1.0
    k = np.arange(1, fewer + 1)
    log_terms = np.concatenate([[0.0], np.cumsum(np.log(tosses - k + 1) - np.log(k))])
    log_half = log_terms.max() + math.log(float(np.sum(np.exp(log_terms - log_terms.max())))) - tosses * math.log(2)
    return min(1.0, 2 * math.exp(log_half))
