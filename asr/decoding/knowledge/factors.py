"""What language model, lexicon and boosted phrases do to the score of a prefix, for compiled code. V: units.

Every arc of the prefix tree, from a prefix to the same prefix with one more unit, has a factor that multiplies the CTC
probability (shallow fusion in the linear domain):

    P(LM)^alpha * e^beta            when the arc finishes a word (word model) or for each unit (unit model)
    e^-unknown_penalty              once for each word that the model does not know
    0                               when a closed lexicon does not allow the arc
    e^boost                         for each boosted phrase that the arc completes
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.look_ahead import LookAheadArrays
from asr.decoding.knowledge.memo import memo_place, question_of
from asr.decoding.knowledge.phrase_automaton import PhraseArrays, phrase_gain, phrase_step
from asr.decoding.knowledge.prefixes import NONE, ROOT, PrefixTree
from asr.decoding.knowledge.spelling_graph import START, SpellingArrays, count_words, follow, goes_on
from asr.decoding.knowledge.texts import TextArrays
from asr.kernels.compile import Integer, inlined, kernel
from asr.lm.ngram import NGramArrays, ngram_step

NO_SCORING, SCORE_UNITS, SCORE_WORDS = 0, 1, 2  # what the language model or lexicon is about
INSIDE, SEPARATOR, WORD_BEGIN, EITHER = 0, 1, 2, 3  # what a unit does to the word in progress
UNKNOWN_WORD, END_WORD = 0, 2  # ids in every NGramModel


class Fusion(NamedTuple):
    """Settings and tables; one type for every mode, so that one compilation serves all of them."""

    scoring: int
    has_lm: bool
    open_vocabulary: bool
    has_phrases: bool
    alpha: float
    word_gain: float  # e^beta
    unknown_gain: float
    highest_gain: float  # of any arc of a unit model, phrases apart
    start_state: int
    roles: NDArray[np.uint8]  # (V,) INSIDE, SEPARATOR, WORD_BEGIN or EITHER
    token_words: NDArray[np.int32]  # (V,) language-model word of each unit (SCORE_UNITS)
    lexicon_words: NDArray[np.int32]  # language-model word of each lexicon word (SCORE_WORDS)
    ngram: NGramArrays
    graph: SpellingArrays
    phrases: PhraseArrays
    texts: TextArrays
    ahead: LookAheadArrays


@kernel
def lm_step(fusion: Fusion, state: Integer, word: Integer) -> tuple[float, Integer]:
    """(natural log-probability, next state) of a word after a history."""
    m = fusion.ngram
    return ngram_step(m.slots, m.unigrams, m.contexts, m.vocabulary_size, state, word)


@kernel
def weighted_word(fusion: Fusion, tree: PrefixTree, state: Integer, word: Integer) -> tuple[float, Integer]:
    """Factor of one word (or unit) and the language-model state after it."""
    if not fusion.has_lm:
        return fusion.word_gain, np.int64(state)
    question = question_of(state, word)
    memo = tree.memo[memo_place(question)]
    if memo["question"] != question:
        log_prob, after = lm_step(fusion, state, word)
        memo["question"] = question
        memo["gain"] = fusion.word_gain * np.exp(fusion.alpha * log_prob)
        memo["after"] = after
        if word == UNKNOWN_WORD:
            memo["gain"] *= fusion.unknown_gain
    return memo["gain"], np.int64(memo["after"])


@kernel
def finish_word(fusion: Fusion, tree: PrefixTree, index: Integer, variant: Integer) -> tuple[float, Integer, Integer]:
    """Factor, next language-model state and lexicon word (or NONE) of ending the word in progress.

    The factor is that of the word, less what the prefix has had of it while the word was in progress.

    Args:
        index: the node of the prefix.
        variant: h reads the units as homophone h - 1.
    """
    node = tree.nodes[index]
    state = node["spelling"]
    lm_state = np.int64(node["lm_state"])
    if state == START or state == fusion.graph.marker_state:
        return 1.0, lm_state, NONE  # no letters, no word
    if count_words(fusion.graph, state) > 0:
        spelled = fusion.graph.states[state]
        word = fusion.graph.words[spelled["words"] + variant - 1]
        lm_word = spelled["lm_word"] if variant == 1 else fusion.lexicon_words[word]
        gain, after = weighted_word(fusion, tree, lm_state, lm_word)
        return gain / node["ahead"], after, np.int64(word)
    if not fusion.open_vocabulary:
        return 0.0, lm_state, NONE
    gain, after = weighted_word(fusion, tree, lm_state, UNKNOWN_WORD)
    if state == NONE:
        gain /= fusion.unknown_gain  # already paid where the word left the vocabulary
    return gain / node["ahead"], after, NONE


@inlined
def end_gain(fusion: Fusion, tree: PrefixTree, index: Integer, variant: Integer) -> float:
    """Factor of ending the word in progress; the first homophone's is kept in the node."""
    if variant > 1:
        return finish_word(fusion, tree, index, variant)[0]
    node = tree.nodes[index]
    if node["end_gain"] < 0.0:
        gain, after, word = finish_word(fusion, tree, index, 1)
        node["end_gain"] = gain
        node["end_state"] = after
        node["end_word"] = word
    return node["end_gain"]


@inlined
def main_variant(fusion: Fusion, token: Integer) -> Integer:
    """The variant in which a unit usually extends a prefix: boundary units finish a word, others do not."""
    role = fusion.roles[token]
    return 1 if role in (SEPARATOR, WORD_BEGIN) else 0


@inlined
def last_variant(fusion: Fusion, tree: PrefixTree, index: Integer, token: Integer) -> Integer:
    """The last variant in which a unit may extend a prefix; they are consecutive from `main_variant` on."""
    role = fusion.roles[token]
    if role == INSIDE:
        return 0
    words = count_words(fusion.graph, tree.nodes[index]["spelling"])
    return words if role == EITHER else max(1, words)


@inlined
def inner_bound(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """No arc from this prefix has a higher factor, unless it ends a word."""
    bound = 1.0
    if fusion.scoring == SCORE_UNITS:
        bound = fusion.highest_gain
    elif fusion.scoring == SCORE_WORDS:
        bound = max(bound, fusion.ahead.first_factor)
        bound = max(bound, tree.nodes[index]["leaving"])
    return bound * phrase_bound(fusion, tree, index)


@inlined
def word_end_guess(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """No arc from this prefix that ends a word has a higher factor, whatever the language model says of the word."""
    if fusion.scoring != SCORE_WORDS:
        return 0.0
    return fusion.word_gain / tree.nodes[index]["ahead"] * after_word(fusion, tree, index)


@inlined
def word_end_bound(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """No arc from this prefix that ends a word has a higher factor; looks the word up."""
    if count_words(fusion.graph, tree.nodes[index]["spelling"]) > 1:
        return word_end_guess(fusion, tree, index)
    return end_gain(fusion, tree, index, 1) * after_word(fusion, tree, index)


@inlined
def after_word(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """No arc from this prefix that ends a word has a higher factor apart from the word's."""
    return max(1.0, fusion.ahead.first_factor, leaving_gain(fusion)) * phrase_bound(fusion, tree, index)


@inlined
def correction(fusion: Fusion, tree: PrefixTree, parent: Integer, variant: Integer, index: Integer) -> float:
    """What `arc_gain` guesses wrong about an arc between two nodes, or nodes of the same texts as theirs; a factor."""
    before, after = tree.nodes[parent]["spelling"], tree.nodes[index]["spelling"]
    if fusion.scoring != SCORE_WORDS or after < 0 or after == START:
        return 1.0
    guess = fusion.ahead.first_factor
    if variant == 0 and before != START and before != fusion.graph.marker_state:
        guess = tree.nodes[parent]["ahead"]
    return tree.nodes[index]["ahead"] / guess


@inlined
def leaving_gain(fusion: Fusion) -> float:
    """Factor that a prefix has for a word outside the vocabulary."""
    return fusion.unknown_gain * fusion.ahead.unknown_factor if fusion.open_vocabulary else 0.0


@inlined
def phrase_bound(fusion: Fusion, tree: PrefixTree, index: Integer) -> float:
    """No arc from this prefix has a higher factor from the phrases."""
    return fusion.phrases.states[tree.nodes[index]["phrase"]]["bound"] if fusion.has_phrases else 1.0


@inlined
def arc_gain(fusion: Fusion, tree: PrefixTree, index: Integer, token: Integer, variant: Integer) -> float:
    """Factor of extending a prefix by a unit; a guess, to be corrected by `correction`, where a word begins or goes on.

    To look ahead from where the unit leads means to look that up, which only those that enter the beam are worth.
    """
    node = tree.nodes[index]
    gain = 1.0
    if fusion.scoring == SCORE_UNITS:
        gain = weighted_word(fusion, tree, node["lm_state"], fusion.token_words[token])[0]
    elif fusion.scoring == SCORE_WORDS:
        state, followers, edges, leaving = node["spelling"], node["followers"], node["edges"], node["leaving"]
        if variant > 0:
            gain = end_gain(fusion, tree, index, variant)
            state = START
            leaving = leaving_gain(fusion)
        if fusion.roles[token] != SEPARATOR and state >= 0:
            if state == START:
                leads_on = fusion.graph.rows[START, token] >= 0
            else:
                leads_on = goes_on(fusion.graph, state, followers, edges, token)
            if not leads_on:
                gain *= leaving
            elif state == START or state == fusion.graph.marker_state:
                gain *= fusion.ahead.first_factor
    if fusion.has_phrases and gain > 0.0:
        gain *= phrase_gain(fusion.phrases, node["phrase"], token)
    return gain


@inlined
def set_states(fusion: Fusion, tree: PrefixTree, index: Integer) -> None:
    """Fill in what a new node knows about language model, spelling and phrases from its parent."""
    node = tree.nodes[index]
    parent = tree.nodes[node["parent"]]
    token = node["token"]
    node["word"] = NONE
    node["lm_state"] = parent["lm_state"]
    node["spelling"] = START
    node["phrase"] = 0
    if fusion.scoring == SCORE_UNITS:
        node["lm_state"] = weighted_word(fusion, tree, parent["lm_state"], fusion.token_words[token])[1]
    elif fusion.scoring == SCORE_WORDS:
        state: Integer = np.int64(parent["spelling"])
        if node["variant"] == 1:
            node["lm_state"] = parent["end_state"]
            node["word"] = parent["end_word"]
            state = START
        elif node["variant"] > 1:
            _, after, word = finish_word(fusion, tree, node["parent"], node["variant"])
            node["lm_state"] = after
            node["word"] = word
            state = START
        if fusion.roles[token] == SEPARATOR or state == START:
            node["spelling"] = START if fusion.roles[token] == SEPARATOR else fusion.graph.rows[START, token]
        else:
            node["spelling"] = NONE
            if state >= 0:
                node["spelling"] = follow(fusion.graph, state, parent["followers"], parent["edges"], token)
        read_state(fusion, tree, index)
        node["gain"] *= correction(fusion, tree, node["parent"], node["variant"], index)
    if fusion.has_phrases:
        node["phrase"] = phrase_step(fusion.phrases, parent["phrase"], token)


@inlined
def read_state(fusion: Fusion, tree: PrefixTree, index: Integer) -> None:
    """Copy to a node what it is asked about its state in the spelling graph."""
    node = tree.nodes[index]
    node["ahead"] = fusion.ahead.unknown_factor
    if node["spelling"] >= 0:
        state = fusion.graph.states[node["spelling"]]
        node["followers"] = state["followers"]
        node["edges"] = state["edges"]
        node["ahead"] = state["ahead"]
    node["leaving"] = leaving_gain(fusion) / node["ahead"]


@kernel
def set_root(fusion: Fusion, tree: PrefixTree) -> None:
    """Make the empty prefix the only node."""
    node = tree.nodes[ROOT]
    node["gain"] = 1.0
    node["end_gain"] = -1.0
    node["parent"] = NONE
    node["token"] = 0  # the blank: no unit repeats it
    node["variant"] = 0
    node["word"] = NONE
    # BPE text may begin without the word-start marker: it reads as if the marker were there
    node["spelling"] = fusion.graph.marker_state if fusion.graph.marker_state >= 0 else START
    read_state(fusion, tree, ROOT)
    node["lm_state"] = fusion.start_state
    node["phrase"] = fusion.phrases.start
    node["window"] = 0
    node["child"] = NONE
    node["children"] = 0
    node["length"] = 0
    tree.slots[ROOT] = 0
    tree.size[0] = 1
