"""Keywords and entities: which words and phrases that matter were recognised, with precision, recall and F.

Counted as texterrors and keyword-search evaluations of closed transcripts do: an occurrence in the reference is found
when each of its words is a hit of the alignment, side by side in the hypothesis; one in the hypothesis that is not such
is a false alarm.

Shapes: N utterances, C counts (found, lost, false alarms).
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from asr.errors import ScoringError
from asr.scoring.rates.alignment import INSERTION, SUBSTITUTION, Ints
from asr.scoring.rates.wer import Score
from asr.scoring.statistics.bootstrap import LEVEL, RESAMPLES, Floats, Interval, resampled
from asr.scoring.text.normalisation import Profile
from asr.text_files import open_text

Phrase = tuple[str, ...]


class Found(NamedTuple):
    """Occurrences that were found, lost, and made up."""

    found: int
    lost: int
    false_alarms: int

    @property
    def precision(self) -> float:
        """Share of the occurrences in the hypothesis that are right; 0 where there is none."""
        return self.found / (self.found + self.false_alarms) if self.found + self.false_alarms else 0.0

    @property
    def recall(self) -> float:
        """Share of the occurrences in the reference that were found; 0 where there is none."""
        return self.found / (self.found + self.lost) if self.found + self.lost else 0.0

    @property
    def f(self) -> float:
        """Harmonic mean of both."""
        total = 2 * self.found + self.lost + self.false_alarms
        return 2 * self.found / total if total else 0.0


class Keywords(NamedTuple):
    """All keywords together, with 95 % intervals by utterance, and each by itself, most frequent first."""

    total: Found
    precision: Interval
    recall: Interval
    f: Interval
    each: list[tuple[str, Found]]
    absent: list[str]


def read_keywords(path: str | Path, profile: Profile) -> list[Phrase]:
    """A keyword or phrase a line, normalised as the texts are; lines that begin with # are comments.

    Raises:
        ScoringError: unreadable file, or none in it.
    """
    try:
        with open_text(path) as stream:
            lines = [line.strip() for line in stream]
    except (OSError, EOFError, UnicodeError) as error:
        raise ScoringError(path, f"cannot be read ({error})", "give a UTF-8 file with a keyword a line") from None
    kept = [tuple(profile.apply(line).split()) for line in lines if line and not line.startswith("#")]
    phrases = list(dict.fromkeys(phrase for phrase in kept if phrase))
    if not phrases:
        raise ScoringError(path, "holds no keywords", "write a keyword or phrase a line")
    return phrases


def keywords(score: Score, phrases: Iterable[Phrase], resamples: int = RESAMPLES, seed: int = 0) -> Keywords:
    """Look for phrases in references and hypotheses.

    Args:
        score: of words.
        phrases: words of each, as they are after normalisation. Where one holds another, both count.
        resamples, seed: of the intervals.
    """
    wanted = {phrase: position for position, phrase in enumerate(phrases)}
    lengths = sorted({len(phrase) for phrase in wanted})
    rows = np.zeros((len(score), 3), np.int64)
    each = np.zeros((len(wanted), 3), np.int64)
    heads = {phrase[0] for phrase in wanted}
    for n, (ref, hyp) in enumerate(zip(score.refs, score.hyps, strict=True)):
        said, heard = ref.split(), hyp.split()
        if heads.isdisjoint(said) and heads.isdisjoint(heard):
            continue
        partner = _partners(score, n, len(said), len(heard))
        right = set()
        for begin, phrase in _occurrences(said, wanted, lengths):
            place = partner[begin]
            whole = place >= 0 and (partner[begin : begin + len(phrase)] == np.arange(place, place + len(phrase))).all()
            column = 0 if whole else 1
            if whole:
                right.add((int(place), phrase))
            rows[n, column] += 1
            each[wanted[phrase], column] += 1
        for begin, phrase in _occurrences(heard, wanted, lengths):
            if (begin, phrase) not in right:
                rows[n, 2] += 1
                each[wanted[phrase], 2] += 1
    counted = sorted(
        ((" ".join(phrase), Found(*map(int, each[position]))) for phrase, position in wanted.items()),
        key=lambda item: -(item[1].found + item[1].lost + item[1].false_alarms),
    )
    total = Found(*map(int, rows.sum(axis=0)))
    intervals = _intervals(rows[rows.any(axis=1)], resamples, seed)
    return Keywords(
        total, *intervals, [item for item in counted if any(item[1])], [k for k, f in counted if not any(f)]
    )


def _partners(score: Score, n: int, said: int, heard: int) -> Ints:
    """(said,) the place in the hypothesis of each reference word that is a hit, -1 for others."""
    alignments, edits = score.alignments, score.alignments.edits
    span = slice(int(edits.offsets[n]), int(edits.offsets[n + 1]))
    kinds = edits.kinds[span]
    ref_at, hyp_at = edits.refs[span] - alignments.refs.offsets[n], edits.hyps[span] - alignments.hyps.offsets[n]
    ref_hit, hyp_hit = np.ones(said, bool), np.ones(heard, bool)
    ref_hit[ref_at[kinds != INSERTION]] = False
    hyp_hit[hyp_at[(kinds == INSERTION) | (kinds == SUBSTITUTION)]] = False
    partner = np.full(said, -1, np.int64)
    partner[ref_hit] = np.flatnonzero(hyp_hit)
    return partner


def _occurrences(words: list[str], wanted: dict[Phrase, int], lengths: list[int]) -> Iterable[tuple[int, Phrase]]:
    for length in lengths:
        for begin in range(len(words) - length + 1):
            phrase = tuple(words[begin : begin + length])
            if phrase in wanted:
                yield begin, phrase


def _intervals(rows: Ints, resamples: int, seed: int) -> tuple[Interval, Interval, Interval]:
    """Of precision, recall and F, over the utterances that hold a keyword on either side."""
    if not len(rows):
        return (Interval(0.0, 0.0, 0),) * 3
    sums = np.concatenate([draws @ classes for classes, draws in resampled(rows, resamples, seed)])
    found, lost, false = sums.T
    tail = 50 * (1 - LEVEL)

    def interval(top: Floats, bottom: Floats) -> Interval:
        rates = np.divide(top, bottom, out=np.zeros_like(top), where=bottom > 0)
        low, high = np.percentile(rates, [tail, 100 - tail])
        return Interval(float(low), float(high), len(rows))

    return interval(found, found + false), interval(found, found + lost), interval(2 * found, 2 * found + lost + false)
