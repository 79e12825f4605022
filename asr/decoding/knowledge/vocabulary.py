"""Whether acoustic model, language model and lexicon speak of the same words: the one place that judges it.

A lower-case model with an upper-case language model decodes without complaint and badly: every word is unknown. Here
what does not fit is counted: a little of it is a warning, more than half an error.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.decoding.knowledge.spelling_graph import SpellingGraph, graph_of_pronunciations, graph_of_words
from asr.errors import DecodingError
from asr.lm.files import load_lm
from asr.lm.ngram import END_ID, NGramModel
from asr.lm.text import lm_symbols
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK, SPACE_SYMBOL, UNKNOWN_SYMBOL, WORD_START, Units

logger = logging.getLogger("asr")
LEAST_SHARE = 0.5  # of what must fit; under it decoding would go wrong silently
SHOWN = 5
HINTED = 1000  # misses looked at for advice


@dataclass(frozen=True)
class VocabularyReport:
    """What was counted; `unspellable` and the others list what does not fit."""

    lm_words: int
    unspellable: list[str]  # words (of the lexicon; without one, of the language model) that the units cannot spell
    unit_misses: list[str]  # units that the language model lacks (models over units or characters)
    lexicon_misses: list[str]  # words of the lexicon that the language model lacks
    lexicon_words: int = 0


def check_vocabulary(lm: NGramModel, units: Units, lexicon: Lexicon | None = None) -> VocabularyReport:
    """Compare vocabularies; counted warnings for what does not fit.

    Args:
        lm: the language model.
        units: the acoustic model's units.
        lexicon: the words that may be recognised, if they are limited.

    Raises:
        DecodingError: more than half does not fit.
    """
    known = len(lm.words) - END_ID - 1
    if lexicon is None and (lm.unit != "words" or units.kind == "words"):
        return VocabularyReport(known, [], missing_units(lm, units), [])
    graph = spell_vocabulary(units, lm, lexicon)
    if lexicon is None:
        return VocabularyReport(known, graph.unspellable, [], [])
    return VocabularyReport(known, graph.unspellable, [], missing_words(graph.words, lm), len(lexicon.words))


def spell_vocabulary(units: Units, lm: NGramModel | None, lexicon: Lexicon | None) -> SpellingGraph:
    """The graph of the words that a search knows: those of the lexicon, or of the language model without one.

    Words that the units cannot spell are left out with a counted warning.

    Raises:
        DecodingError: more than half cannot be spelled, there is no word, or the language model is over units.
    """
    if lm is not None and lm.unit == "words":
        _refuse_pieces(lm)
    if lexicon is not None and lexicon.has_pronunciations:
        graph = graph_of_pronunciations(lexicon.entries, units)
        sounds = {word: sorted({unit for p in found for unit in p}) for word, found in lexicon.entries.items()}
        foreign = sorted({unit for word in graph.unspellable for unit in sounds[word] if unit not in units.ids})
        hint = f"pronounce them with the model's units; it lacks {_some(foreign)}" if foreign else ""
    else:
        words = lexicon.words if lexicon is not None else [] if lm is None else lm.words
        graph = graph_of_words((word for word in words if not (word.startswith("<") and word.endswith(">"))), units)
        hint = _case_hint(graph.unspellable, lambda word: not units.missing(word))
    source = "lexicon" if lexicon is not None else "language model"
    total = len(graph.words) + len(graph.unspellable)
    if not total:
        raise DecodingError(source, "has no words", "give one with the words to be recognised")
    _judge(source, f"words of the {source} cannot be spelled in the units", graph.unspellable, total, hint)
    return graph


def missing_units(lm: NGramModel, units: Units) -> list[str]:
    """Units that a language model over units lacks, counted in a warning.

    Raises:
        DecodingError: it lacks more than half.
    """
    symbols = [s for index, s in enumerate(lm_symbols(units)) if index != BLANK and s != UNKNOWN_SYMBOL]
    misses = [symbol for symbol in symbols if symbol not in lm.ids]
    hint = _case_hint(misses, lm.ids.__contains__)
    _judge("language model", "units are not in the language model", misses, len(symbols), hint)
    return misses


def missing_words(words: Sequence[str], lm: NGramModel) -> list[str]:
    """Words of a lexicon that the language model lacks, counted in a warning.

    Raises:
        DecodingError: they share neither half of the lexicon nor half of the model's words. A large lexicon with the
            model of a small domain is no mistake, nor the other way round.
    """
    misses = [word for word in words if word not in lm.ids]
    fewer = min(len(words), len(lm.words) - END_ID - 1)
    hint = _case_hint(misses, lm.ids.__contains__)
    what = "words of the lexicon are not in the language model"
    _judge("lexicon", what, misses, len(words), hint, fits=len(words) - len(misses) >= LEAST_SHARE * fewer)
    return misses


def check_phrases(phrases: Iterable[str], lexicon: Lexicon) -> list[str]:
    """Phrases that a search confined to a lexicon can never find, counted in a warning.

    Raises:
        DecodingError: it can find none of them.
    """
    every = list(phrases)
    lost = [phrase for phrase in every if not all(word in lexicon.entries for word in phrase.split())]
    what = "phrases have words outside the lexicon and can never be recognised"
    _judge("hotwords", what, lost, len(every), "add their words to the lexicon", fits=len(lost) < len(every))
    return lost


def check_references(texts: Iterable[str], lexicon: Lexicon) -> list[str]:
    """Words of references, each once, that are outside the lexicon: sure errors, counted in a warning."""
    counts = Counter(word for text in texts for word in text.split())
    outside = [word for word in counts if word not in lexicon.entries]
    if outside:
        lost, total = sum(counts[word] for word in outside), sum(counts.values())
        logger.warning(
            "%d of %d reference words are outside the lexicon and cannot be recognised (%s)",
            lost,
            total,
            _some(outside),
        )
    return outside


def _refuse_pieces(lm: NGramModel) -> None:
    """An ARPA file does not say what its words are; characters and pieces taken for words would all be unknown."""
    marked = next((word for word in lm.words if word == SPACE_SYMBOL or word.startswith(WORD_START)), None)
    if marked is not None:
        over = "characters" if marked == SPACE_SYMBOL else "units"
        raise DecodingError(
            "language model", f"is over {over} ({marked!r} is one of its words) and was read as one over words",
            f"convert the ARPA file with 'asr lm convert ARPA FOLDER --unit {over}'",
        )  # fmt: skip


def _judge(source: str, what: str, misses: Sequence[str], of: int, hint: str, fits: bool | None = None) -> None:
    """Warn of what does not fit, or raise unless it `fits` all the same; by default it does when half of it does."""
    if not misses:
        return
    if fits is None:
        fits = len(misses) <= (1 - LEAST_SHARE) * of
    reason = f"{len(misses)} of {of} {what} ({_some(misses)})"
    if not fits:
        raise DecodingError(source, reason, hint or "use one of the same spelling and unit")
    logger.warning("%s%s", reason, f"; {hint}" if hint else "")


def _case_hint(misses: Sequence[str], is_known: Callable[[str], bool]) -> str:
    """Advice when changing the case would make most misses fit."""
    sample = misses[:HINTED]
    for change, name in ((str.upper, "upper"), (str.lower, "lower")):
        fits = sum(is_known(change(word)) for word in sample)
        if fits > len(sample) / 2:
            return f"the two sides differ in case: {name}-casing would make {fits} of {len(sample)} fit"
    return ""


def _some(items: Sequence[str]) -> str:
    return ", ".join(items[:SHOWN]) + (", ..." if len(items) > SHOWN else "")


def check_lm(model: str | Path, units: str | Path, lexicon: str | Path | None = None) -> VocabularyReport:
    """Whether a model fits the units of an acoustic model, and a lexicon if there is one.

    Raises:
        DecodingError: more than half does not fit.
    """
    words = Lexicon.from_file(lexicon) if lexicon is not None else None
    return check_vocabulary(load_lm(model), Units.load(units), words)
