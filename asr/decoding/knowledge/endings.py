"""What the end of an utterance does to the score of a prefix, and what of a score is the language model's; compiled."""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.factors import (
    END_WORD,
    SCORE_UNITS,
    SCORE_WORDS,
    UNKNOWN_WORD,
    Fusion,
    finish_word,
    lm_step,
)
from asr.decoding.knowledge.phrase_automaton import BOUNDARY, phrase_gain
from asr.decoding.knowledge.prefixes import NONE, PrefixTree
from asr.decoding.knowledge.spelling_graph import START
from asr.kernels.compile import Integer, inlined, kernel


@kernel
def final_gain(fusion: Fusion, tree: PrefixTree, index: Integer, variant: Integer) -> tuple[float, Integer]:
    """Factor of ending the utterance here, with the word in progress read as `variant`, and that word."""
    lm_state: Integer = np.int64(tree.nodes[index]["lm_state"])
    gain = 1.0
    word: Integer = NONE
    if fusion.scoring == SCORE_WORDS:
        gain, lm_state, word = finish_word(fusion, tree, index, variant)
    if fusion.has_lm and gain > 0.0:
        gain *= np.exp(fusion.alpha * lm_step(fusion, lm_state, END_WORD)[0])
    if fusion.has_phrases:
        gain *= phrase_gain(fusion.phrases, tree.nodes[index]["phrase"], BOUNDARY)
    return gain, word


@inlined
def lm_score_of_arc(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """Natural-log probability, unweighted, of what the arc to a node finishes: a unit, a word or nothing."""
    node = tree.nodes[index]
    parent = tree.nodes[node["parent"]]
    score = 0.0
    if fusion.has_lm and fusion.scoring == SCORE_UNITS:
        score = lm_step(fusion, parent["lm_state"], fusion.token_words[node["token"]])[0]
    elif fusion.has_lm and node["variant"] > 0:
        score = lm_score_of_word(fusion, tree, node["parent"], node["word"])[0]
    return score


@kernel
def lm_score_of_word(fusion: Fusion, tree: PrefixTree, index: Integer, word: Integer) -> tuple[float, Integer]:
    """Natural-log probability, unweighted, of ending the word in progress as a lexicon word or NONE; next state."""
    node = tree.nodes[index]
    state = node["spelling"]
    if state == START or state == fusion.graph.marker_state:
        return 0.0, np.int64(node["lm_state"])
    return lm_step(fusion, node["lm_state"], fusion.lexicon_words[word] if word >= 0 else UNKNOWN_WORD)


@inlined
def last_score(fusion: Fusion, tree: PrefixTree, index: Integer, word: Integer) -> float:
    """Natural-log probability, unweighted, of ending the utterance here with the last word read as `word`."""
    score = 0.0
    if fusion.has_lm:
        lm_state: Integer = np.int64(tree.nodes[index]["lm_state"])
        if fusion.scoring == SCORE_WORDS:
            score, lm_state = lm_score_of_word(fusion, tree, index, word)
        score += lm_step(fusion, lm_state, END_WORD)[0]
    return score
