"""Can the confidences be believed? Reliability, expected calibration error, and what rejecting doubtful words buys.

Shapes: W hypothesis words with a confidence, M bins.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.rates.alignment import INSERTION, SUBSTITUTION
from asr.scoring.rates.wer import Score
from asr.scoring.statistics.bootstrap import Floats

BINS = 10
REJECTED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5)


class Bin(NamedTuple):
    """Words whose confidence lies in [low, high): how many, their mean confidence, and the share that is right."""

    low: float
    high: float
    words: int
    confidence: float
    accuracy: float


class Calibration(NamedTuple):
    """How well word confidences predict which words are right.

    Attributes:
        words: hypothesis words with a confidence.
        accuracy: share of them that is right.
        confidence: their mean confidence.
        error: expected calibration error, the mean over words of |confidence - accuracy| of their bin.
        entropy: normalised cross entropy; 1 is perfect, 0 as good as saying the accuracy for each word, below 0 worse.
        bins: the reliability diagram.
        rejection: share of the least confident words that is dropped -> error share among those that are kept.
        skipped: utterances left out because their words did not fit the words that were scored.
    """

    words: int
    accuracy: float
    confidence: float
    error: float
    entropy: float
    bins: list[Bin]
    rejection: list[tuple[float, float]]
    skipped: int


def calibration(score: Score, words: Mapping[str, Sequence[Word]]) -> Calibration | None:
    """Judge the confidences of a hypothesis.

    Args:
        score: a score with unit "word".
        words: utterance id -> words with confidence, as recognised. An utterance in which normalisation changed the
            number of words is left out; a word without confidence (NaN) too.

    Returns:
        None when there is no word with a confidence.

    Raises:
        ScoringError: a confidence lies outside 0..1.
    """
    hyps, edits = score.alignments.hyps, score.alignments.edits
    right = np.ones(len(hyps.ids), bool)
    right[edits.hyps[np.isin(edits.kinds, (SUBSTITUTION, INSERTION))]] = False
    confidence = np.full(len(hyps.ids), np.nan)
    skipped = 0
    for n, key in enumerate(score.ids):
        begin, end = hyps.offsets[n], hyps.offsets[n + 1]
        said = words.get(key, ())
        if len(said) == end - begin:
            confidence[begin:end] = [word.confidence for word in said]
        else:
            skipped += bool(said)
    given = np.isfinite(confidence)
    outside = given & ((confidence < 0) | (confidence > 1))
    if outside.any():
        at = int(np.searchsorted(hyps.offsets, np.flatnonzero(outside)[0], side="right")) - 1
        value = confidence[np.flatnonzero(outside)[0]]
        raise ScoringError(score.ids[at], f"has a confidence of {value:g}", "give confidences between 0 and 1")
    return measure(confidence[given], right[given], skipped) if given.any() else None


def measure(confidence: Floats, right: npt.NDArray[np.bool_], skipped: int = 0) -> Calibration:
    """All measures of (W,) confidences and whether each word is right."""
    bins = reliability(confidence, right)
    error = sum(b.words * abs(b.confidence - b.accuracy) for b in bins) / len(confidence)
    return Calibration(
        len(confidence),
        float(right.mean()),
        float(confidence.mean()),
        float(error),
        normalised_cross_entropy(confidence, right),
        bins,
        rejection_curve(confidence, right),
        skipped,
    )


def reliability(confidence: Floats, right: npt.NDArray[np.bool_], bins: int = BINS) -> list[Bin]:
    """Bins of equal width that hold any word; 1 belongs to the last (Guo et al., ICML 2017)."""
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    diagram = []
    for b in np.unique(index).tolist():
        here = index == b
        diagram.append(
            Bin(b / bins, (b + 1) / bins, int(here.sum()), float(confidence[here].mean()), float(right[here].mean()))
        )
    return diagram


def normalised_cross_entropy(confidence: Floats, right: npt.NDArray[np.bool_]) -> float:
    """Share of the entropy of right/wrong that the confidences explain (NIST; SCTK's NCE).

    Confidences are kept 1e-7 away from 0 and 1. With all words right or all wrong there is nothing to explain: 0.
    """
    accuracy = float(right.mean())
    if accuracy in (0.0, 1.0):
        return 0.0
    whole = -(accuracy * np.log2(accuracy) + (1 - accuracy) * np.log2(1 - accuracy))
    safe = np.clip(confidence, 1e-7, 1 - 1e-7)
    told = -np.mean(np.where(right, np.log2(safe), np.log2(1 - safe)))
    return float((whole - told) / whole)


def rejection_curve(confidence: Floats, right: npt.NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Share of wrong words among those kept when the least confident share is dropped; order of the text for equals."""
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~right[order])
    curve = []
    for share in REJECTED:
        kept = max(1, round(len(confidence) * (1 - share)))
        curve.append((share, float(wrong[kept - 1] / kept)))
    return curve
