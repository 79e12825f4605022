"""What every decoder returns and every scorer and transcriber takes.

`Hypothesis` is not frozen: to make one that is takes a microsecond longer, as long as ten frames of a search.
"""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Word:
    """A recognised word; times in seconds from the start of the utterance, confidence in 0..1."""

    text: str
    start: float
    end: float
    confidence: float


@dataclass(slots=True)
class Hypothesis:
    """One reading of an utterance.

    Attributes:
        text: words separated by single spaces.
        score: total natural-log score by which the n-best list is sorted, best first.
        words: the words with times and confidence.
        tokens: unit ids of the reading, without blanks.
        acoustic_score: natural log of the CTC probability mass of `tokens`.
        lm_score: natural log of the language model's probability, unweighted; 0 without one.
    """

    text: str
    score: float
    words: list[Word] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)
    acoustic_score: float = 0.0
    lm_score: float = 0.0
