"""From a language model, a lexicon and phrases to the tables of the compiled search, with every mismatch reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from asr.decoding.knowledge.factors import (
    EITHER,
    INSIDE,
    NO_SCORING,
    SCORE_UNITS,
    SCORE_WORDS,
    SEPARATOR,
    UNKNOWN_WORD,
    WORD_BEGIN,
    Fusion,
)
from asr.decoding.knowledge.lexicon import Lexicon
from asr.decoding.knowledge.look_ahead import look_ahead_of, no_look_ahead, weighed
from asr.decoding.knowledge.phrase_automaton import no_phrases
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.spelling_graph import empty_graph, with_lm_words
from asr.decoding.knowledge.texts import no_texts, texts_of
from asr.decoding.knowledge.vocabulary import check_phrases, missing_units, missing_words, spell_vocabulary
from asr.decoding.search.large_pages import in_large_pages
from asr.errors import DecodingError
from asr.lm.ngram import CONTEXT, EMPTY, SLOT, UNIGRAM, NGramArrays, NGramModel
from asr.lm.text import lm_symbols
from asr.units import BLANK, Units


@dataclass(frozen=True)
class Weights:
    """How the sources of knowledge are weighed against the CTC probability.

    Attributes:
        alpha: exponent of the language model's probability.
        beta: bonus for each word (word model or lexicon) or unit (unit model), natural log.
        unknown_penalty: taken off for each word (or unit) that the language model does not know, natural log.
    """

    alpha: float = 0.5
    beta: float = 0.0
    unknown_penalty: float = 10.0

    def __post_init__(self) -> None:
        for name, value, lowest in (("alpha", self.alpha, 0.0), ("unknown_penalty", self.unknown_penalty, 0.0)):
            if not lowest <= value < 1000.0:
                raise DecodingError(name, f"{value} is out of range", "give a number of at least 0")
        if not abs(self.beta) < 100.0:
            raise DecodingError("beta", f"{self.beta} is out of range", "give a number between -100 and 100")


@dataclass(frozen=True)
class Knowledge:
    """Everything the search knows beside the acoustic model.

    Attributes:
        fusion: the compiled search's tables.
        words: lexicon words by index, for readings that units alone do not tell (pronunciations); empty when the words
            are read off the units.
    """

    fusion: Fusion
    words: list[str]


def build_knowledge(
    units: Units,
    weights: Weights,
    lm: NGramModel | None = None,
    lexicon: Lexicon | None = None,
    phrases: Phrases | None = None,
) -> Knowledge:
    """Choose the mode from what is given.

    A lexicon (words, or words with pronunciations) confines the search to its words, with or without a language model;
    a language model over words alone leaves the vocabulary open; one over units scores every unit.

    Raises:
        DecodingError: the language model or lexicon was made for other units.
    """
    fusion = no_knowledge(len(units))
    names: list[str] = []
    if lexicon is not None or (lm is not None and lm.unit == "words" and units.kind != "words"):
        spelled = spell_vocabulary(units, lm, lexicon)
        names = spelled.words if lexicon is not None and lexicon.has_pronunciations else []
        lm_words = _lm_words(spelled.words, lm, lexicon)
        fusion = fusion._replace(
            scoring=SCORE_WORDS, graph=with_lm_words(spelled.arrays, lm_words), lexicon_words=lm_words,
            roles=unit_roles(units, SCORE_WORDS, lexicon is not None), open_vocabulary=lexicon is None,
        )  # fmt: skip
        fusion = fusion._replace(
            ahead=look_ahead_of(fusion.graph, fusion.lexicon_words, lm.arrays if lm is not None else None)
        )
    elif lm is not None:
        fusion = fusion._replace(scoring=SCORE_UNITS, token_words=unit_words(units, lm))
    if lm is not None:
        fusion = fusion._replace(has_lm=True, start_state=lm.start_state, ngram=lm.arrays)
    if phrases is not None:
        if lexicon is not None:
            check_phrases(phrases.boosts, lexicon)
        fusion = fusion._replace(has_phrases=True, phrases=phrases.arrays)
    fusion = fusion._replace(texts=texts_of(units, told_apart=bool(names) or fusion.scoring == SCORE_UNITS))
    return Knowledge(reweighted(fusion, weights), names)


def no_knowledge(units: int) -> Fusion:
    """The tables of a search without language model, lexicon and phrases over V units."""
    return Fusion(
        scoring=NO_SCORING, has_lm=False, open_vocabulary=True, has_phrases=False, alpha=0.0, word_gain=1.0,
        unknown_gain=1.0, highest_gain=1.0, start_state=0, roles=np.full(units, INSIDE, np.uint8),
        token_words=np.zeros(units, np.int32), lexicon_words=np.zeros(1, np.int32), ngram=_no_ngrams(),
        graph=empty_graph(units), phrases=no_phrases(units), texts=no_texts(), ahead=no_look_ahead(),
    )  # fmt: skip


def reweighted(fusion: Fusion, weights: Weights) -> Fusion:
    """The same knowledge, weighed otherwise."""
    word_gain, unknown_gain = math.exp(weights.beta), math.exp(-weights.unknown_penalty)
    ahead, graph = fusion.ahead, fusion.graph
    if fusion.scoring == SCORE_WORDS:
        ahead, graph = weighed(ahead, graph, weights.alpha, word_gain, unknown_gain)
        graph = in_large_pages(graph)
    return fusion._replace(
        alpha=float(weights.alpha), word_gain=word_gain, unknown_gain=unknown_gain,
        highest_gain=max(1.0, word_gain) if fusion.scoring == SCORE_UNITS else 1.0, ahead=ahead, graph=graph,
    )  # fmt: skip


def unit_roles(units: Units, scoring: int, has_lexicon: bool) -> np.ndarray:
    """What each unit does to the word in progress: (V,) uint8."""
    roles = np.full(len(units), INSIDE, np.uint8)
    if scoring != SCORE_WORDS:
        return roles
    if units.space is not None:
        roles[units.space] = SEPARATOR
    elif units.kind == "bpe":
        for index in range(len(units)):
            if units.starts_word(index):
                roles[index] = WORD_BEGIN
    elif has_lexicon:
        roles[:] = EITHER  # phones, for example: only the lexicon knows where a word ends
    else:
        raise DecodingError("language model", "needs units that mark words", "give a lexicon as well")
    return roles


def unit_words(units: Units, lm: NGramModel) -> np.ndarray:
    """Language-model word of each unit, (V,) int32; 0 is unknown.

    Raises:
        DecodingError: the model knows less than half of the units.
    """
    missing_units(lm, units)
    words = np.array([lm.ids.get(symbol, UNKNOWN_WORD) for symbol in lm_symbols(units)], np.int32)
    words[BLANK] = UNKNOWN_WORD
    return words


def _lm_words(words: Sequence[str], lm: NGramModel | None, lexicon: Lexicon | None) -> np.ndarray:
    """Language-model word of each word that can be spelled."""
    if lm is None:
        return np.zeros(max(1, len(words)), np.int32)
    if lexicon is not None:
        missing_words(words, lm)
    return np.array([lm.ids.get(word, UNKNOWN_WORD) for word in words], np.int32)


def _no_ngrams() -> NGramArrays:
    slots = np.zeros(1, SLOT)
    slots["key"] = EMPTY
    return NGramArrays(slots, np.zeros(1, UNIGRAM), np.zeros(1, CONTEXT), vocabulary_size=1)
