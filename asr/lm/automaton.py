"""From n-gram tables to the automaton that scores words, and back.

Legend: S states (contexts), H hash slots, V words, n_k n-grams of order k.
"""

from __future__ import annotations

import math

import numpy as np

from asr.kernels.compile import kernel
from asr.lm.ngram import (
    CONTEXT,
    EMPTY,
    SLOT,
    UNIGRAM,
    NGramArrays,
    NGramModel,
    bit_of_word,
    first_slot,
    key_of,
    ngram_step,
)
from asr.lm.tables import NGramTable, NGramTables

LOG10 = math.log(10.0)
SLOTS_PER_NGRAM = 1.5


@kernel
def _insert_order(
    slots: np.ndarray, unigrams: np.ndarray, contexts: np.ndarray, vocabulary_size: int, sources: np.ndarray,
    words: np.ndarray, log_probs: np.ndarray, own_states: np.ndarray,
) -> None:  # fmt: skip
    """Add the n-grams of one order >= 2; those of all lower orders must be there."""
    for row in range(words.shape[0]):
        word, source = words[row], np.int64(sources[row])
        shorter = np.int64(contexts[source]["backoff_state"])
        _, following = ngram_step(slots, unigrams, contexts, vocabulary_size, shorter, word)
        if own_states[row] >= 0:
            contexts[own_states[row]]["backoff_state"] = following
            following = np.int64(own_states[row])
        contexts[source]["followers"] |= bit_of_word(word)
        key = key_of(vocabulary_size, source, word)
        slot = first_slot(key, slots.shape[0])
        while slots[slot]["key"] != EMPTY:
            slot += 1
            if slot == slots.shape[0]:
                slot = 0
        slots[slot]["key"] = key
        slots[slot]["log_prob"] = log_probs[row]
        slots[slot]["next_state"] = following


def build_model(tables: NGramTables) -> NGramModel:
    """The automaton of a model; its probabilities are those of the tables, in natural logarithms."""
    size = len(tables.vocabulary)
    counts = [len(table) for table in tables.orders]
    states_of, state_counts = number_states(tables)
    slots = np.zeros(max(8, int(sum(counts[1:]) * SLOTS_PER_NGRAM) + 1), SLOT)
    slots["key"] = EMPTY
    unigrams, contexts = np.zeros(size, UNIGRAM), np.zeros(sum(state_counts), CONTEXT)
    unigrams["log_prob"] = tables.orders[0].log_probs * np.float32(LOG10)
    unigrams["next_state"] = np.maximum(states_of[0], 0)
    for table, own in zip(tables.orders, states_of, strict=True):
        contexts["backoff"][own[own >= 0]] = table.backoffs[own >= 0] * LOG10
    for order in range(2, tables.order + 1):
        table = tables.orders[order - 1]
        sources = states_of[order - 2][table.prefixes]
        log_probs = table.log_probs * np.float32(LOG10)
        _insert_order(slots, unigrams, contexts, size, sources, table.words, log_probs, states_of[order - 1])
    return NGramModel(
        tables.vocabulary, NGramArrays(slots, unigrams, contexts, size), state_counts, counts, tables.unit
    )


def number_states(tables: NGramTables) -> tuple[list[np.ndarray], list[int]]:
    """State of each n-gram, -1 where it is none, for each order; and how many states each context length has."""
    states_of, counts = [], [1]
    for order, table in enumerate(tables.orders, start=1):
        is_state = tables.has_children(order) | (table.backoffs != 0)
        if order == tables.order:
            is_state[:] = False
        states_of.append(np.where(is_state, sum(counts) - 1 + np.cumsum(is_state), -1).astype(np.int32))
        counts.append(int(is_state.sum()))
    return states_of, counts[:-1]


def tables_of(model: NGramModel) -> NGramTables:
    """The n-grams of an automaton, for pruning it or writing it as ARPA."""
    arrays = model.arrays
    filled = arrays.slots[arrays.slots["key"] != EMPTY]
    filled = filled[np.argsort(filled["key"])]  # states are numbered by order, and as the rows of their tables
    tables = NGramTables(model.words, unit=model.unit)
    row_of_state = np.zeros(1, np.int32)
    first, first_state = -model.arc_counts[0], 1
    for order, count in enumerate(model.arc_counts, start=1):
        ngrams = filled[first : first + count] if order > 1 else arrays.unigrams
        keys = ngrams["key"] if order > 1 else np.arange(count)
        sources, words = np.divmod(keys, arrays.vocabulary_size)
        lower_first = first_state - len(row_of_state)
        prefixes = row_of_state[sources - lower_first] if order > 1 else np.zeros(count, np.int32)
        backoffs = np.zeros(count, np.float32)
        states = model.state_counts[order] if order < model.order else 0
        following = ngrams["next_state"]
        own = (following >= first_state) & (following < first_state + states)
        backoffs[own] = arrays.contexts["backoff"][following[own]] / np.float32(LOG10)
        row_of_state = np.flatnonzero(own).astype(np.int32)
        log_probs = ngrams["log_prob"] / np.float32(LOG10)
        tables.orders.append(NGramTable(prefixes, words.astype(np.int32), log_probs, backoffs))
        first, first_state = first + count, first_state + states
    return tables
