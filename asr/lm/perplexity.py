"""How well a language model predicts a text, counted as KenLM's `query` counts it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asr.errors import DecodingError


class LanguageModel(Protocol):
    """What scoring needs of a model: an n-gram automaton, a KenLM binary or an LSTM."""

    def word_scores(self, sentence: Sequence[str]) -> np.ndarray:
        """Natural log-probability of each word and of the sentence end: (n + 1,)."""

    def unknown(self, sentence: Sequence[str]) -> np.ndarray:
        """Whether each word is outside the vocabulary: (n,) bool."""


@dataclass(frozen=True)
class SentenceScore:
    """One sentence under a model; logarithms to base 10, the sentence end counted as a word."""

    sentence: Sequence[str]
    log10_prob: float
    unknown: int
    log10_unknown: float


@dataclass(frozen=True)
class TextScore:
    """A whole text under a model."""

    sentences: int
    words: int
    unknown: int
    log10_prob: float
    log10_unknown: float

    @property
    def perplexity(self) -> float:
        """Per word, sentence ends and unknown words included."""
        return 10.0 ** (-self.log10_prob / self.words)

    @property
    def perplexity_of_known(self) -> float:
        """Per word, the unknown words left out of both the probability and the count."""
        return 10.0 ** (-(self.log10_prob - self.log10_unknown) / (self.words - self.unknown))


def score_sentences(model: LanguageModel, sentences: Iterable[Sequence[str]]) -> Iterator[SentenceScore]:
    """Score sentences one by one."""
    for sentence in sentences:
        scores = model.word_scores(sentence) / math.log(10.0)
        unknown = model.unknown(sentence)
        yield SentenceScore(sentence, float(scores.sum()), int(unknown.sum()), float(scores[:-1][unknown].sum()))


def total(scores: Iterable[SentenceScore]) -> TextScore:
    """Add sentences up.

    Raises:
        DecodingError: no sentences.
    """
    sentences = words = unknown = 0
    log_prob = log_unknown = 0.0
    for score in scores:
        sentences += 1
        words += len(score.sentence) + 1
        unknown += score.unknown
        log_prob += score.log10_prob
        log_unknown += score.log10_unknown
    if sentences == 0:
        raise DecodingError("text", "has no sentences", "give at least one to compute a perplexity of")
    return TextScore(sentences, words, unknown, log_prob, log_unknown)
