"""What language model, lexicon and boosted phrases do to the score of a prefix, for compiled code. V: units.

Every arc of the prefix tree, from a prefix to the same prefix with one more unit, has a factor that multiplies the CTC
probability (shallow fusion in the linear domain):

    P(LM)^alpha * e^beta            when the arc finishes a word (word model) or for each unit (unit model)
    e^-unknown_penalty              once for each word that the model does not know
    0                               when a closed lexicon does not allow the arc
    e^boost                         for each boosted phrase that the arc completes

A search has a `UnitModel`, a `WordModel` or neither. The other one is None, and what it would need is not compiled.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.phrase_automaton import BOUNDARY, PhraseArrays, phrase_bound, read_phrase
from asr.decoding.knowledge.prefixes import NODE, NONE
from asr.decoding.knowledge.spelling_graph import START, SpellingArrays, count_words, spell
from asr.decoding.knowledge.texts import NOTHING, TextArrays, text_after
from asr.kernels.compile import kernel
from asr.lm.ngram import END_ID, UNKNOWN_ID, NGramArrays, ngram_step

INSIDE, SEPARATOR, WORD_BEGIN, EITHER = 0, 1, 2, 3  # what a unit does to the word in progress


class UnitModel(NamedTuple):
    """A language model over units."""

    ngram: NGramArrays
    start_state: int
    lm_words: NDArray[np.int32]  # (V,) the language model's word of each unit
    alpha: float
    unit_gain: float  # e^beta
    unknown_gain: float


class WordModel(NamedTuple):
    """Words to be spelled, and a language model over them if there is one."""

    ngram: NGramArrays
    has_lm: bool
    start_state: int
    graph: SpellingArrays
    lm_words: NDArray[np.int32]  # the language model's word of each word in the graph
    roles: NDArray[np.int8]  # (V,) INSIDE, SEPARATOR, WORD_BEGIN or EITHER
    open_vocabulary: bool
    alpha: float
    word_gain: float  # e^beta
    unknown_gain: float
    unknown_factor: float  # of a word in progress outside the vocabulary, see `look_ahead`
    first_factor: float  # of one of which nothing is known yet


class Fusion(NamedTuple):
    """All that the search knows beside the acoustic model."""

    phrases: PhraseArrays
    texts: TextArrays
    unit_model: UnitModel | None
    word_model: WordModel | None


@kernel
def log_prob_after(ngram: NGramArrays, state: int, word: int) -> tuple[float, int]:
    """(natural log-probability, next state) of a word after a history."""
    return ngram_step(ngram.slots, ngram.unigrams, ngram.contexts, ngram.vocabulary_size, state, word)


@kernel
def unit_factor(model: UnitModel, state: int, token: int) -> tuple[float, int]:
    """Factor of one unit, and the language-model state after it."""
    word = np.int64(model.lm_words[token])
    log_prob, after = log_prob_after(model.ngram, state, word)
    gain = model.unit_gain * np.exp(model.alpha * log_prob)
    return (gain * model.unknown_gain if word == UNKNOWN_ID else gain), after


@kernel
def word_factor(model: WordModel, state: int, word: int) -> tuple[float, int]:
    """Factor of one of the language model's words, and the state after it."""
    if not model.has_lm:
        return model.word_gain, state
    log_prob, after = log_prob_after(model.ngram, state, word)
    gain = model.word_gain * np.exp(model.alpha * log_prob)
    return (gain * model.unknown_gain if word == UNKNOWN_ID else gain), after


@kernel
def ahead_of(model: WordModel, state: int) -> float:
    """The factor that a prefix has for the word in progress: see `look_ahead`."""
    return model.graph.states[state]["ahead"] if state >= 0 else model.unknown_factor


@kernel
def leaving_factor(model: WordModel) -> float:
    """What a prefix has for a word in progress from where it leaves the vocabulary."""
    return model.unknown_gain * model.unknown_factor if model.open_vocabulary else 0.0


@kernel
def has_letters(model: WordModel, state: int) -> bool:
    """Whether there is a word in progress to be ended."""
    return state != START and state != model.graph.marker_state


@kernel
def word_of(model: WordModel, state: int, variant: int) -> int:
    """The lexicon word that ending the word in progress as homophone `variant` - 1 gives, or NONE."""
    if state < 0 or not has_letters(model, state) or count_words(model.graph.states, state) == 0:
        return NONE
    return np.int64(model.graph.words[model.graph.states[state]["words"] + variant - 1])


@kernel
def end_word(model: WordModel, state: int, lm_state: int, variant: int) -> tuple[float, int]:
    """Factor and next language-model state of ending the word in progress.

    The factor is that of the word, less what the prefix has had of it while the word was in progress.

    Args:
        model: the words.
        state: of the word in progress.
        lm_state: before it.
        variant: h reads the units as homophone h - 1.
    """
    if not has_letters(model, state):
        return 1.0, lm_state
    word = word_of(model, state, variant)
    if word == NONE and not model.open_vocabulary:
        return 0.0, lm_state
    gain, after = word_factor(model, lm_state, np.int64(model.lm_words[word]) if word >= 0 else UNKNOWN_ID)
    if state == NONE:
        gain /= model.unknown_gain  # already paid where the word left the vocabulary
    return gain / ahead_of(model, state), after


@kernel
def ways_to_read(model: WordModel, state: int, token: int) -> tuple[int, int]:
    """The first and the last variant in which a unit may extend a prefix: 0 goes on, h ends homophone h - 1."""
    role = model.roles[token]
    if role == INSIDE:
        return 0, 0
    words = count_words(model.graph.states, state)
    return (0, words) if role == EITHER else (1, max(1, words))


@kernel
def read_in_word(model: WordModel, before: NDArray[np.void], new: NDArray[np.void]) -> None:
    """Fill in what a prefix knows of its words, from the one before (whose `end_gain` may be noted) and its unit."""
    token, variant = np.int64(new["token"]), np.int64(new["variant"])
    state = np.int64(before["spelling"])
    if variant > 0:
        if variant == 1:
            gain, after = end_first_word(model, before)
        else:
            gain, after = end_word(model, state, np.int64(before["lm_state"]), variant)
        new["gain"] = gain
        new["lm_state"] = after
        new["word"] = word_of(model, state, variant)
        state = START
    if model.roles[token] == SEPARATOR:
        state = START
    elif state >= 0:
        ahead = ahead_of(model, state)
        state = spell(model.graph.states, model.graph.units, model.graph.targets, state, token)
        new["gain"] *= (ahead_of(model, state) if state >= 0 else leaving_factor(model)) / ahead
    new["spelling"] = state


@kernel
def end_first_word(model: WordModel, node: NDArray[np.void]) -> tuple[float, int]:
    """`end_word` in its first variant, noted in the prefix."""
    if node["end_gain"] < 0.0:
        gain, after = end_word(model, np.int64(node["spelling"]), np.int64(node["lm_state"]), 1)
        node["end_gain"] = gain
        node["end_state"] = after
    return node["end_gain"], np.int64(node["end_state"])


@kernel
def set_word_bounds(model: WordModel, node: NDArray[np.void]) -> None:
    """Note the highest factors of units after a prefix, whatever the language model says of the word in progress."""
    state = np.int64(node["spelling"])
    ahead = ahead_of(model, state)
    first = max(1.0, model.first_factor, leaving_factor(model))
    node["inside"] = max(1.0, leaving_factor(model) / ahead)
    node["ending"] = model.word_gain / ahead * first
    if not has_letters(model, state):
        node["inside"] = node["ending"] = first


@kernel
def final_factor(
    node: NDArray[np.void], variant: int, phrases: PhraseArrays, unit_model: UnitModel | None,
    word_model: WordModel | None,
) -> float:  # fmt: skip
    """Factor of ending the utterance in a prefix, with the word in progress read as homophone `variant` - 1."""
    gain = 1.0
    if unit_model is not None:
        gain = np.exp(unit_model.alpha * log_prob_after(unit_model.ngram, np.int64(node["lm_state"]), END_ID)[0])
    if word_model is not None:
        gain, after = end_word(word_model, np.int64(node["spelling"]), np.int64(node["lm_state"]), variant)
        if word_model.has_lm and gain > 0.0:
            gain *= np.exp(word_model.alpha * log_prob_after(word_model.ngram, after, END_ID)[0])
    return gain * read_phrase(phrases, np.int64(node["phrase"]), BOUNDARY)[1]


@kernel
def read_unit(
    before: NDArray[np.void], new: NDArray[np.void], phrases: PhraseArrays, texts: TextArrays,
    unit_model: UnitModel | None, word_model: WordModel | None,
) -> None:  # fmt: skip
    """Fill in a prefix of which parent, unit and variant are given.

    Args:
        before: the parent.
        new: the prefix.
        phrases, texts, unit_model, word_model: see `Fusion`.
    """
    token = np.int64(new["token"])
    new["gain"] = 1.0
    new["end_gain"] = -1.0
    new["inside"] = 1.0
    new["word"] = NONE
    new["lm_state"] = before["lm_state"]
    new["slot"] = NONE
    if unit_model is not None:
        gain, after = unit_factor(unit_model, np.int64(before["lm_state"]), token)
        new["gain"] = gain
        new["lm_state"] = after
        new["inside"] = max(1.0, unit_model.unit_gain)
    if word_model is not None:
        read_in_word(word_model, before, new)
        set_word_bounds(word_model, new)
    if phrases.boosted:
        after, gain = read_phrase(phrases, np.int64(before["phrase"]), token)
        new["phrase"] = after
        new["gain"] *= gain
        bound = phrase_bound(phrases, after)
        new["inside"] *= bound
        new["ending"] *= bound
    if texts.by_pieces:
        new["text"] = text_after(texts, before["text"], np.int64(before["token"]), token)


def root(fusion: Fusion) -> NDArray[np.void]:
    """The empty prefix, (1,) NODE."""
    nodes = np.zeros(1, NODE)
    node = nodes[0]
    node["gain"] = node["inside"] = 1.0
    node["end_gain"] = -1.0
    node["parent"] = node["word"] = node["slot"] = NONE
    node["text"] = NOTHING
    node["phrase"] = fusion.phrases.start
    model = fusion.word_model
    if fusion.unit_model is not None:
        node["lm_state"] = fusion.unit_model.start_state
        node["inside"] = max(1.0, fusion.unit_model.unit_gain)
    if model is not None:
        node["lm_state"] = model.start_state
        # BPE text may begin without the word-start marker: it reads as if the marker were there
        node["spelling"] = model.graph.marker_state if model.graph.marker_state >= 0 else START
        set_word_bounds(model, node)
    for bound in ("inside", "ending"):
        node[bound] *= phrase_bound(fusion.phrases, fusion.phrases.start)
    return nodes
