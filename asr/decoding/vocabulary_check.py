"""Whether acoustic model, language model and lexicon speak of the same words.

A lower-case model with an upper-case language model decodes without complaint and badly: every word is unknown. The
check counts what fits, warns where some does not, and fails where hardly anything does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from asr.decoding.lexicon import Lexicon
from asr.decoding.lm_text import lm_symbols
from asr.decoding.ngram import END_ID, NGramModel
from asr.errors import DecodingError
from asr.units import BLANK, UNKNOWN_SYMBOL, Units

logger = logging.getLogger("asr")
LEAST_SHARE = 0.5  # of what must fit; under it decoding would go wrong silently
SHOWN = 5


@dataclass(frozen=True)
class VocabularyReport:
    """What was counted; `unit_misses` and the others list what does not fit."""

    lm_words: int
    unspellable: list[str]  # words of the language model with characters that the units lack
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
    words = lm.words[END_ID + 1 :]
    if lm.unit != "words":
        symbols = [s for index, s in enumerate(lm_symbols(units)) if index != BLANK and s != UNKNOWN_SYMBOL]
        misses = [symbol for symbol in symbols if symbol not in lm.ids]
        _judge("units are not in the language model", misses, len(symbols), _case_hint(misses, lm.ids.__contains__))
        return VocabularyReport(len(words), [], misses, [])
    unspellable: list[str] = []
    if lexicon is None or not lexicon.has_pronunciations:
        unspellable = [word for word in words if units.missing(word)]
        hint = _case_hint(unspellable, lambda word: not units.missing(word))
        _judge("words of the language model cannot be spelled in the units", unspellable, len(words), hint)
    if lexicon is None:
        return VocabularyReport(len(words), unspellable, [], [])
    misses = [word for word in lexicon.words if word not in lm.ids]
    _judge(
        "words of the lexicon are not in the language model",
        misses,
        len(lexicon.words),
        _case_hint(misses, lm.ids.__contains__),
    )
    return VocabularyReport(len(words), unspellable, [], misses, len(lexicon.words))


def _judge(what: str, misses: Sequence[str], of: int, hint: str) -> None:
    if not misses:
        return
    shown = ", ".join(misses[:SHOWN]) + (", ..." if len(misses) > SHOWN else "")
    reason = f"{len(misses)} of {of} {what} ({shown})"
    if len(misses) > (1 - LEAST_SHARE) * of:
        raise DecodingError("language model", reason, hint or "train it on text of the same spelling and unit")
    logger.warning("%s%s", reason, f"; {hint}" if hint else "")


def _case_hint(misses: Sequence[str], is_known: Callable[[str], bool]) -> str:
    """Advice when changing the case would make most misses fit."""
    for change, name in ((str.upper, "upper"), (str.lower, "lower")):
        fits = sum(is_known(change(word)) for word in misses)
        if fits > len(misses) / 2:
            sides = "the model's text and the language model's text differ in case"
            return f"{sides}: {name}-casing would make {fits} of {len(misses)} fit"
    return ""
