"""What a word in progress can still become, so that unlikely words lose before they end.

S: states of the spelling graph. Without it a prefix pays for its last word only at the word's end, and a narrow beam is
full of beginnings of words that the language model hardly knows. Each state of the spelling graph therefore has a
factor, that of the best word which can still come of it by the model's unigram probability. A prefix has it while the
word is in progress and gives it back when the word ends and its own factor is known, so it changes what is pruned and
no final score: look-ahead as in decoders over prefix trees (Steinbiss, Tran & Ney 1994; Ortmanns, Ney & Eiden 1996).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.spelling_graph import START, SpellingArrays, edges_of
from asr.kernels.compile import kernel
from asr.lm.ngram import UNKNOWN_ID, NGramArrays


class LookAheadArrays(NamedTuple):
    """What can come of each state, weighed."""

    best: NDArray[np.float64]  # (S,) highest unigram natural-log probability of a word that the language model knows
    unknown: NDArray[np.float64]  # (S,) 0 where a word that it does not know can come, else -inf
    unknown_log_prob: float  # of the unknown word
    unknown_factor: float  # the factor that a prefix has for a word in progress outside the vocabulary
    first_factor: float  # the same for a word of which nothing is known yet


def no_look_ahead() -> LookAheadArrays:
    """For searches that do not score words."""
    none = np.zeros(1)
    return LookAheadArrays(none, none, 0.0, 1.0, 1.0)


def look_ahead_of(
    graph: SpellingArrays, lexicon_words: NDArray[np.int32], ngram: NGramArrays | None
) -> LookAheadArrays:
    """What can come of each state, not yet weighed.

    Args:
        graph: spells the words.
        lexicon_words: language-model word of each word in the graph.
        ngram: the language model, or None.
    """
    states = len(graph.states)
    best, unknown = np.full(states, -np.inf), np.full(states, -np.inf)
    scores = ngram.unigrams["log_prob"].astype(np.float64) if ngram is not None else None
    sources = np.repeat(np.arange(states), graph.states["homophones"])
    words = lexicon_words[graph.words[: len(sources)]]
    is_known = (words != UNKNOWN_ID) if scores is not None else np.ones(len(words), bool)
    values = scores[words] if scores is not None else np.zeros(len(words))
    np.maximum.at(best, sources[is_known], values[is_known])
    unknown[sources[~is_known]] = 0.0
    leaving, _, entering = edges_of(graph)
    spread_back(leaving, entering, best)
    spread_back(leaving, entering, unknown)
    log_prob = float(scores[UNKNOWN_ID]) if scores is not None else 0.0
    return LookAheadArrays(best, unknown, log_prob, 1.0, 1.0)


def weighed(
    ahead: LookAheadArrays, graph: SpellingArrays, alpha: float, word_gain: float, unknown_gain: float
) -> tuple[LookAheadArrays, SpellingArrays]:
    """The same with factors, and the graph with those of its states; 1 where no word is in progress.

    Args:
        ahead: what can come of each state.
        graph: its states.
        alpha: weight of the language model.
        word_gain: factor of every word.
        unknown_gain: further factor of a word that the model does not know.
    """
    unknown_factor = word_gain * float(np.exp(alpha * ahead.unknown_log_prob))
    known = word_gain * np.exp(alpha * np.where(np.isneginf(ahead.best), -1e9, ahead.best))
    factors = np.maximum(known, np.where(np.isneginf(ahead.unknown), 0.0, unknown_factor * unknown_gain))
    factors = np.where(factors > 0.0, factors, 1.0)
    first_factor = float(factors[START])
    factors[START] = 1.0
    if graph.marker_state >= 0:
        factors[graph.marker_state] = 1.0
    states = graph.states.copy()
    states["ahead"] = factors
    return ahead._replace(unknown_factor=unknown_factor, first_factor=first_factor), graph._replace(states=states)


@kernel
def spread_back(leaving: NDArray[np.int64], entering: NDArray[np.int64], values: NDArray[np.float64]) -> None:
    """Give every state the highest of its own value and those of all states that can be reached from it.

    Args:
        leaving: (E,) where each edge leaves.
        entering: (E,) where it enters, mostly a state of a higher number, hence the order.
        values: (S,) changed in place.
    """
    changed = True
    while changed:
        changed = False
        for edge in range(leaving.shape[0] - 1, -1, -1):
            value = values[entering[edge]]
            if value > values[leaving[edge]]:
                values[leaving[edge]] = value
                changed = True
