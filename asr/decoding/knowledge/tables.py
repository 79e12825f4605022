"""From a language model, a lexicon and phrases to the tables of the compiled search, with every mismatch reported."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import EITHER, INSIDE, SEPARATOR, WORD_BEGIN, Fusion, UnitModel, WordModel
from asr.decoding.knowledge.look_ahead import LookAhead
from asr.decoding.knowledge.phrase_automaton import no_phrases
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.texts import texts_of
from asr.decoding.knowledge.vocabulary import check_phrases, missing_units, missing_words, spell_vocabulary
from asr.errors import DecodingError
from asr.lm.ngram import CONTEXT, EMPTY, SLOT, UNIGRAM, UNKNOWN_ID, NGramArrays, NGramModel
from asr.lm.text import lm_symbols
from asr.pronunciation.lexicon import Lexicon
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
        ahead: what can come of each state of the spelling graph; None where no words are spelled.
    """

    fusion: Fusion
    words: list[str]
    ahead: LookAhead | None = None

    def weighed(self, weights: Weights) -> Knowledge:
        """The same knowledge, weighed otherwise."""
        gain, unknown_gain = math.exp(weights.beta), math.exp(-weights.unknown_penalty)
        unit_model, word_model = self.fusion.unit_model, self.fusion.word_model
        if unit_model is not None:
            unit_model = unit_model._replace(alpha=float(weights.alpha), unit_gain=gain, unknown_gain=unknown_gain)
        if word_model is not None and self.ahead is not None:
            graph, unknown_factor, first_factor = self.ahead.weighed(
                word_model.graph, weights.alpha, gain, unknown_gain
            )
            word_model = word_model._replace(
                graph=graph, alpha=float(weights.alpha), word_gain=gain, unknown_gain=unknown_gain,
                unknown_factor=unknown_factor, first_factor=first_factor,
            )  # fmt: skip
        return replace(self, fusion=self.fusion._replace(unit_model=unit_model, word_model=word_model))


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
    unit_model, word_model, ahead, names = None, None, None, []
    if lexicon is not None or (lm is not None and lm.unit == "words" and units.kind != "words"):
        spelled = spell_vocabulary(units, lm, lexicon)
        names = spelled.words if lexicon is not None and lexicon.has_pronunciations else []
        lm_words = _lm_words(spelled.words, lm, lexicon)
        word_model = WordModel(
            lm.arrays if lm is not None else _no_ngrams(), lm is not None, lm.start_state if lm is not None else 0,
            spelled.arrays, lm_words, unit_roles(units, lexicon is not None), lexicon is None, 0.0, 1.0, 1.0, 1.0, 1.0,
        )  # fmt: skip
        ahead = LookAhead.of(spelled.arrays, lm_words, lm)
    elif lm is not None:
        unit_model = UnitModel(lm.arrays, lm.start_state, unit_words(units, lm), 0.0, 1.0, 1.0)
    if phrases is not None and lexicon is not None:
        check_phrases(phrases.boosts, lexicon)
    fusion = Fusion(
        phrases.arrays if phrases is not None else no_phrases(len(units)),
        texts_of(units, told_apart=bool(names) or unit_model is not None), unit_model, word_model,
    )  # fmt: skip
    return Knowledge(fusion, names, ahead).weighed(weights)


def unit_roles(units: Units, has_lexicon: bool) -> NDArray[np.int8]:
    """What each unit does to the word in progress: (V,)."""
    roles = np.full(len(units), INSIDE, np.int8)
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


def unit_words(units: Units, lm: NGramModel) -> NDArray[np.int32]:
    """Language-model word of each unit, (V,); 0 is unknown.

    Raises:
        DecodingError: the model knows less than half of the units.
    """
    missing_units(lm, units)
    words = np.array([lm.ids.get(symbol, UNKNOWN_ID) for symbol in lm_symbols(units)], np.int32)
    words[BLANK] = UNKNOWN_ID
    return words


def _lm_words(words: Sequence[str], lm: NGramModel | None, lexicon: Lexicon | None) -> NDArray[np.int32]:
    """Language-model word of each word that can be spelled."""
    if lm is None:
        return np.zeros(max(1, len(words)), np.int32)
    if lexicon is not None:
        missing_words(words, lm)
    return np.array([lm.ids.get(word, UNKNOWN_ID) for word in words], np.int32)


def _no_ngrams() -> NGramArrays:
    slots = np.zeros(1, SLOT)
    slots["key"] = EMPTY
    return NGramArrays(slots, np.zeros(1, UNIGRAM), np.zeros(1, CONTEXT), vocabulary_size=1)
