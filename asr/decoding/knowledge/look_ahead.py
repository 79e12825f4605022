"""What a word in progress can still become, so that unlikely words lose before they end.

S: states of the spelling graph. Without it a prefix pays for its last word only at the word's end, and a narrow beam is
full of beginnings of words that the language model hardly knows. Each state of the spelling graph therefore has a
factor, that of the best word which can still come of it by the model's unigram probability. A prefix has it while the
word is in progress and gives it back when the word ends and its own factor is known, so it changes what is pruned and
no final score: look-ahead as in decoders over prefix trees (Steinbiss, Tran & Ney 1994; Ortmanns, Ney & Eiden 1996).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.spelling_graph import START, SpellingArrays
from asr.lm.ngram import UNKNOWN_ID, NGramModel


@dataclass(frozen=True)
class LookAhead:
    """What can come of each state, not yet weighed.

    Attributes:
        best: (S,) highest unigram natural-log probability of a word that the language model knows, -inf without one.
        unknown: (S,) whether a word that it does not know can come.
        unknown_log_prob: that of the unknown word.
    """

    best: NDArray[np.float64]
    unknown: NDArray[np.bool_]
    unknown_log_prob: float

    @staticmethod
    def of(graph: SpellingArrays, lm_words: NDArray[np.int32], lm: NGramModel | None) -> LookAhead:
        """Look ahead in a graph; `lm_words` is the language model's word of each of its words."""
        states = len(graph.states) - 1
        best, unknown = np.full(states, -np.inf), np.zeros(states, bool)
        scores = lm.arrays.unigrams["log_prob"].astype(np.float64) if lm is not None else np.zeros(1)
        words = lm_words[graph.words]
        is_known = words != UNKNOWN_ID if lm is not None else np.ones(len(words), bool)
        spelled = np.repeat(np.arange(states), np.diff(graph.states["words"]))
        np.maximum.at(best, spelled[is_known], scores[words[is_known]])
        unknown[spelled[~is_known]] = True
        leaving = np.repeat(np.arange(states), np.diff(graph.states["edges"]))
        return LookAhead(
            spread_back(leaving, graph.targets, best), spread_back(leaving, graph.targets, unknown),
            float(scores[UNKNOWN_ID]),
        )  # fmt: skip

    def weighed(
        self, graph: SpellingArrays, alpha: float, word_gain: float, unknown_gain: float
    ) -> tuple[SpellingArrays, float, float]:
        """The graph with the factors of its states; 1 where no word is in progress.

        Args:
            graph: as in `of`.
            alpha: weight of the language model.
            word_gain: factor of every word.
            unknown_gain: further factor of a word that the model does not know.

        Returns:
            Also the factor of a word in progress outside the vocabulary, and of one of which nothing is known yet.
        """
        unknown_factor = word_gain * float(np.exp(alpha * self.unknown_log_prob))
        known = word_gain * np.exp(alpha * np.where(np.isneginf(self.best), -1e9, self.best))
        factors = np.maximum(known, np.where(self.unknown, unknown_factor * unknown_gain, 0.0))
        factors = np.where(factors > 0.0, factors, 1.0)
        first_factor = float(factors[START])
        factors[START] = 1.0
        if graph.marker_state >= 0:
            factors[graph.marker_state] = 1.0
        states = graph.states.copy()
        states["ahead"][:-1] = factors
        return graph._replace(states=states), unknown_factor, first_factor


def spread_back(leaving: NDArray[np.int64], entering: NDArray[np.int32], values: NDArray) -> NDArray:
    """The highest of every state's own value and those of all states that can be reached from it.

    Args:
        leaving: (E,) where each edge leaves.
        entering: (E,) where it enters.
        values: (S,).
    """
    while True:
        spread = values.copy()
        np.maximum.at(spread, leaving, values[entering])
        if np.array_equal(spread, values):
            return spread
        values = spread
