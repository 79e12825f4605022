"""Readings: what a finished search found, before it is put in seconds. L: units of a reading.

They are not frozen, for the same reason as `hypothesis.Hypothesis`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE
from asr.units import Units

Span = tuple[str, int, int]


@dataclass(slots=True)
class Reading:
    """One way to read an utterance.

    Attributes:
        tokens: (L,) unit ids.
        text: words separated by single spaces.
        score: natural log of the CTC probability times all factors.
        log_gain: natural log of the factors.
        lexicon_words: (word, first, end), the word is spelled by `tokens[first:end]`; None where the units tell the
            words by themselves.
    """

    tokens: list[int]
    text: str
    score: float
    log_gain: float
    lexicon_words: list[Span] | None = None


def lexicon_words(
    tokens: Sequence[int],
    finished: Sequence[int],
    variants: Sequence[int],
    last: int,
    names: Sequence[str],
    units: Units,
) -> list[Span]:
    """Words of a reading that a lexicon spelled.

    Args:
        tokens: (L,).
        finished: (L,) lexicon word that ended before each unit, or NONE.
        variants: (L,) above 0 where a word, or nothing, ended before the unit.
        last: lexicon word that ended with the utterance, or NONE.
        names: the lexicon's words.
        units: of the tokens.
    """
    words: list[Span] = []
    first = 0
    for position, word in enumerate([*finished, last]):
        if word != NONE:
            words.append((names[word], first, position))
        if position < len(tokens) and tokens[position] == units.space:
            first = position + 1
        elif position < len(tokens) and variants[position] > 0:
            first = position
    return words


def ranked(scores: NDArray[np.float64], groups: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Texts, best first, from the scores of their spellings.

    Args:
        scores: (R,) natural log.
        groups: (R,) numbers from 0, the same for spellings of one text.

    Returns:
        Index of the best spelling of each text and the natural log of the sum over them; texts of probability 0 are
        left out, equals keep their order.
    """
    order = np.argsort(-scores, kind="stable")
    order = order[scores[order] > -np.inf]
    _, firsts, numbers = np.unique(groups[order], return_index=True, return_inverse=True)
    best = scores[order[firsts]]
    sums = best + np.log(np.bincount(numbers, np.exp(scores[order] - best[numbers]), len(firsts)))
    ranks = np.lexsort((firsts, -sums))
    return order[firsts[ranks]], sums[ranks]


def readings_needed(readings: Sequence[Reading], texts: int, worth: int) -> int:
    """How many of the first readings are needed to have `texts` different texts, and at least `worth`."""
    different: set[str] = set()
    for count, reading in enumerate(readings):
        if count >= worth and len(different) >= texts:
            return count
        different.add(reading.text)
    return len(readings)


def distinct(readings: Sequence[Reading], count: int) -> list[Reading]:
    """The best readings that differ in their text, best first, at most `count`; `readings` come best first."""
    best: dict[str, Reading] = {}
    for reading in readings:
        best.setdefault(reading.text, reading)
        if len(best) == count:
            break
    return list(best.values())


def posteriors(readings: Sequence[Reading]) -> list[float]:
    """Share of each reading in the probability mass of all of them."""
    top = max(reading.score for reading in readings)
    masses = [math.exp(reading.score - top) for reading in readings]
    total = sum(masses)
    return [mass / total for mass in masses]
