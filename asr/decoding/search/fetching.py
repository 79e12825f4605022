"""Beginning to fetch what new prefixes will be asked for, for compiled code.

The tables of spellings and words are larger than the core's caches, and each of the places that a new prefix needs is
known only when the one before has been read. Fetched one after the other for each prefix they are most of a search with
a large vocabulary; begun for all prefixes of a frame before the first is waited for, they overlap.
"""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.factors import SCORE_WORDS, SEPARATOR, UNKNOWN_WORD, Fusion
from asr.decoding.knowledge.memo import memo_place, question_of
from asr.decoding.knowledge.prefixes import NONE, PrefixTree
from asr.decoding.knowledge.spelling_graph import START, first_edge, follow
from asr.kernels.compile import Integer, inlined, prefetch
from asr.lm.ngram import bit_of_word, first_slot, key_of


@inlined
def expect_edge(fusion: Fusion, tree: PrefixTree, index: Integer, token: Integer, variant: Integer) -> None:
    """Begin to fetch the edge of the spelling graph over which an arc leads; `expect_state` reads it."""
    node = tree.nodes[index]
    state = np.int64(node["spelling"])
    if variant == 0 and state > START:
        if state < fusion.graph.rows.shape[0]:
            prefetch(fusion.graph.rows, state * fusion.graph.units + token)
        else:
            prefetch(fusion.graph.edges, np.int64(first_edge(node["followers"], node["edges"], token)))


@inlined
def expect_state(fusion: Fusion, tree: PrefixTree, index: Integer, token: Integer, variant: Integer) -> None:
    """Begin to fetch the state of the spelling graph that an arc leads to; `fusion.set_states` reads it."""
    node = tree.nodes[index]
    if fusion.roles[token] != SEPARATOR:
        state = np.int64(NONE)
        if variant > 0 or node["spelling"] == START:
            state = np.int64(fusion.graph.rows[START, token])
        elif node["spelling"] > START:
            state = np.int64(follow(fusion.graph, node["spelling"], node["followers"], node["edges"], token))
        if state > START:
            prefetch(fusion.graph.states, state)


@inlined
def expect_word(fusion: Fusion, tree: PrefixTree, index: Integer) -> None:
    """Begin to fetch what the language model will be asked for when the word in progress ends here."""
    node = tree.nodes[index]
    state = np.int64(node["spelling"])
    if fusion.scoring == SCORE_WORDS and fusion.has_lm and state > START:
        spelled = fusion.graph.states[state]
        word = np.int64(spelled["lm_word"] if spelled["homophones"] > 0 else UNKNOWN_WORD)
        if word != UNKNOWN_WORD or fusion.open_vocabulary:
            expect_ngram(fusion, tree, np.int64(node["lm_state"]), word)


@inlined
def expect_ngram(fusion: Fusion, tree: PrefixTree, state: Integer, word: Integer) -> None:
    """Begin to fetch the language model's answer, remembered or not."""
    prefetch(tree.memo, memo_place(question_of(state, word)))
    ngram = fusion.ngram
    while state != 0 and ngram.contexts[state]["followers"] & bit_of_word(word) == 0:
        state = np.int64(ngram.contexts[state]["backoff_state"])
    if state == 0:
        prefetch(ngram.unigrams, word)
    else:
        prefetch(ngram.slots, first_slot(key_of(ngram.vocabulary_size, state, word), ngram.slots.shape[0]))
