"""Choosing again among the readings of an n-best list with a stronger language model.

The score of a reading is log-linear (Och & Ney 2002), in natural logarithms:

    acoustic + ngram * log P_ngram + lstm * log P_lstm + beta * words

The weights are chosen on dev lists by the number of word errors, in the middle of those that the lists cannot tell
apart (`weight_choice`).

Legend: U utterances, N readings of one, G settings of the weights.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.tuning.choice import choose_setting
from asr.errors import DecodingError
from asr.lm.text import Tokenizer, split_characters

if TYPE_CHECKING:
    from asr.lm.lstm import LstmLanguageModel  # brings torch, which decoding does without

NGRAM_GRID = tuple(np.arange(0, 1.6, 0.1).round(2).tolist())
LSTM_GRID = tuple(np.arange(0, 1.6, 0.1).round(2).tolist())
BETA_GRID = tuple(np.arange(-1, 3.1, 0.5).tolist())


@dataclass(frozen=True)
class RescoringWeights:
    """Weights of the language models and the bonus of a word."""

    ngram: float = 0.5
    lstm: float = 0.5
    beta: float = 0.0


@dataclass(frozen=True)
class TunedWeights:
    """The weights chosen on a dev set.

    Attributes:
        weights: of the language models and words.
        errors: word errors with them.
        errors_before: those of the lists as they came.
        reference_words: of the set.
        fewest: word errors of the best setting tried.
        alike: number of settings within one standard error of it.
    """

    weights: RescoringWeights
    errors: int
    errors_before: int
    reference_words: int
    fewest: int
    alike: int


def lstm_scores(
    lists: Sequence[Sequence[Hypothesis]], model: LstmLanguageModel, tokenize: Tokenizer | None = None
) -> list[list[float]]:
    """Natural-log probability of every reading, in batches over all lists.

    Args:
        lists: n-best list of each utterance.
        model: the language model.
        tokenize: text to words of the model; by default what its unit says (words or characters).

    Raises:
        DecodingError: a model over units without `tokenize`.
    """
    if tokenize is None:
        if model.unit == "units":
            raise DecodingError("language model", "is over units", "pass the tokenizer that spells in them")
        tokenize = split_characters if model.unit == "characters" else str.split
    scores = iter(model.score([tokenize(reading.text) for readings in lists for reading in readings]))
    return [[next(scores) for _ in readings] for readings in lists]


def rescore(
    readings: Sequence[Hypothesis], lstm: Sequence[float], weights: RescoringWeights
) -> list[Hypothesis]:  # fmt: skip
    """The readings with new scores, best first; equals keep their order."""
    totals = _features(readings, lstm) @ _vector(weights)
    order = np.argsort(-totals, kind="stable")
    return [replace(readings[index], score=float(totals[index])) for index in order]


def tune_weights(
    lists: Sequence[Sequence[Hypothesis]],
    lstm: Sequence[Sequence[float]],
    references: Sequence[str],
    ngram_grid: Sequence[float] = NGRAM_GRID,
    lstm_grid: Sequence[float] = LSTM_GRID,
    beta_grid: Sequence[float] = BETA_GRID,
) -> TunedWeights:
    """Try every setting of a grid on the dev lists and choose among them, see `weight_choice`.

    Raises:
        DecodingError: no utterances, an empty list, or numbers of lists, scores and references that differ.
    """
    if not lists or not len(lists) == len(lstm) == len(references) or not all(lists):
        reason = f"has {len(lists)} n-best lists, {len(lstm)} score lists and {len(references)} references"
        raise DecodingError("dev set", reason, "give one list with a reading, its scores and a reference an utterance")
    grid = sorted(itertools.product(ngram_grid, lstm_grid, beta_grid), key=lambda g: (abs(g[0]) + abs(g[1]), abs(g[2])))
    settings = np.array([[1.0, *setting] for setting in grid])
    errors, before = np.zeros((len(grid), len(lists)), np.int32), 0
    for index, (readings, scores, reference) in enumerate(zip(lists, lstm, references, strict=True)):
        wrong = np.array([word_errors(reference, reading.text) for reading in readings])
        errors[:, index] = wrong[np.argmax(settings @ _features(readings, scores).T, axis=1)]
        before += int(wrong[0])
    choice = choose_setting(errors, grid)
    totals = errors.sum(axis=1)
    return TunedWeights(
        RescoringWeights(*map(float, grid[choice.index])), int(totals[choice.index]), before,
        sum(len(reference.split()) for reference in references), int(totals[choice.fewest]), int(choice.alike.sum()),
    )  # fmt: skip


def word_errors(reference: str, hypothesis: str) -> int:
    """Substitutions, insertions and deletions of words."""
    from rapidfuzz.distance import Levenshtein

    return int(Levenshtein.distance(reference.split(), hypothesis.split()))


def _features(readings: Sequence[Hypothesis], lstm: Sequence[float]) -> np.ndarray:
    """Acoustic score, n-gram score, LSTM score and number of words of each reading: (N, 4)."""
    return np.array([
        [reading.acoustic_score, reading.lm_score, score, len(reading.text.split())]
        for reading, score in zip(readings, lstm, strict=True)
    ])  # fmt: skip


def _vector(weights: RescoringWeights) -> np.ndarray:
    return np.array([1.0, weights.ngram, weights.lstm, weights.beta])
