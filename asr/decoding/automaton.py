"""From n-gram tables to the automaton that scores words, and back.

Legend: A arcs (n-grams), S states (contexts), H hash slots, V words, n_k n-grams of order k.
"""

from __future__ import annotations

import math

import numpy as np

from asr.decoding.jit import kernel
from asr.decoding.ngram import NGramArrays, NGramModel, find_arc, first_slot
from asr.decoding.ngram_tables import NGramTable, NGramTables

LOG10 = math.log(10.0)
SLOTS_PER_ARC = 1.5


@kernel
def _insert_order(
    keys: np.ndarray, arcs: np.ndarray, next_states: np.ndarray, backoff_states: np.ndarray, vocabulary_size: int,
    sources: np.ndarray, words: np.ndarray, own_states: np.ndarray, first_arc: int,
) -> None:  # fmt: skip
    """Add the arcs of one order >= 2; the arcs of all lower orders must be there."""
    for row in range(words.shape[0]):
        word = words[row]
        state = int(backoff_states[sources[row]])
        suffix_arc = find_arc(keys, arcs, vocabulary_size, state, word)
        while suffix_arc < 0:
            state = int(backoff_states[state])
            suffix_arc = find_arc(keys, arcs, vocabulary_size, state, word)
        arc = first_arc + row
        next_states[arc] = next_states[suffix_arc]
        if own_states[row] >= 0:
            backoff_states[own_states[row]] = next_states[suffix_arc]
            next_states[arc] = own_states[row]
        key = np.int64(sources[row]) * np.int64(vocabulary_size) + np.int64(word)
        slot = first_slot(int(key), keys.shape[0])
        while keys[slot] != -1:
            slot += 1
            if slot == keys.shape[0]:
                slot = 0
        keys[slot] = key
        arcs[slot] = arc


def build_model(tables: NGramTables) -> NGramModel:
    """The automaton of a model; its probabilities are those of the tables, in natural logarithms."""
    size = len(tables.vocabulary)
    counts = [len(table) for table in tables.orders]
    slots = max(8, int(sum(counts[1:]) * SLOTS_PER_ARC) + 1)
    keys, arcs = np.full(slots, -1, np.int64), np.full(slots, -1, np.int32)
    next_states = np.zeros(sum(counts), np.int32)
    states_of, state_counts = _number_states(tables)
    backoffs = np.zeros(sum(state_counts), np.float32)
    backoff_states = np.zeros(sum(state_counts), np.int32)
    next_states[:size] = np.maximum(states_of[0], 0)
    for table, own in zip(tables.orders, states_of, strict=True):
        backoffs[own[own >= 0]] = table.backoffs[own >= 0] * LOG10
    for order in range(2, tables.order + 1):
        table = tables.orders[order - 1]
        sources = states_of[order - 2][table.prefixes]
        first = sum(counts[: order - 1])
        _insert_order(
            keys, arcs, next_states, backoff_states, size, sources, table.words, states_of[order - 1], first
        )  # fmt: skip
    log_probs = np.concatenate([table.log_probs for table in tables.orders]) * np.float32(LOG10)
    arrays = NGramArrays(keys, arcs, log_probs, next_states, backoffs, backoff_states, size)
    return NGramModel(tables.vocabulary, arrays, state_counts, counts, tables.unit)


def _number_states(tables: NGramTables) -> tuple[list[np.ndarray], list[int]]:
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
    filled = np.flatnonzero(arrays.keys >= 0)
    slot_of_arc = np.zeros(sum(model.arc_counts), np.int64)
    slot_of_arc[arrays.arcs[filled]] = filled
    tables = NGramTables(model.words, unit=model.unit)
    row_of_state = np.zeros(1, np.int32)
    first_arc, first_state = 0, 1
    for order, count in enumerate(model.arc_counts, start=1):
        span = slice(first_arc, first_arc + count)
        keys = arrays.keys[slot_of_arc[span]] if order > 1 else np.arange(count)
        sources, words = np.divmod(keys, arrays.vocabulary_size)
        lower_first = first_state - len(row_of_state)
        prefixes = row_of_state[sources - lower_first] if order > 1 else np.zeros(count, np.int32)
        backoffs = np.zeros(count, np.float32)
        states = model.state_counts[order] if order < model.order else 0
        following = arrays.next_states[span]
        own = (following >= first_state) & (following < first_state + states)
        backoffs[own] = arrays.backoffs[following[own]] / np.float32(LOG10)
        row_of_state = np.flatnonzero(own).astype(np.int32)
        log_probs = arrays.log_probs[span] / np.float32(LOG10)
        tables.orders.append(NGramTable(prefixes, words.astype(np.int32), log_probs, backoffs))
        first_arc, first_state = first_arc + count, first_state + states
    return tables
