"""Sentences for language models, streamed from plain, compressed or piped text and from manifests."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from asr.corpus.text_lines import read_lines
from asr.errors import UsageError
from asr.lm.ngram import LMUnit
from asr.units import SPACE_SYMBOL, Units

Tokenizer = Callable[[str], list[str]]
logger = logging.getLogger("asr")


def read_sentences(sources: Iterable[str | Path], tokenize: Tokenizer = str.split) -> Iterator[list[str]]:
    """Tokens of every non-empty line of the sources, one after the other."""
    for source in sources:
        empty = True
        for line in read_lines(source):
            tokens = tokenize(line)
            if tokens:
                empty = False
                yield tokens
        if empty:
            logger.warning("%s: holds no words", source)


def tokenizer_for(unit: LMUnit, units: Units | None = None) -> Tokenizer:
    """How a line becomes the words of a language model.

    Args:
        unit: "words" splits at white space; "characters" gives every character, the space as "<space>"; "units"
            spells the line in `units`, whose symbols become the words of the model.
        units: the acoustic model's units, for unit "units" only.

    Raises:
        UsageError: unit "units" without units, or a unit that does not exist.
    """
    if unit == "words":
        return str.split
    if unit == "characters":
        return split_characters
    if unit != "units":
        raise UsageError("--unit", f"there is no unit {unit!r}", "choose words, characters or units")
    if units is None:
        raise UsageError("--unit units", "needs the units to spell with", "give --units units.txt")
    symbols = lm_symbols(units)
    return lambda line: [symbols[index] for index in units.encode(line)]


def split_characters(line: str) -> list[str]:
    """Characters of a line, single spaces between words as "<space>"."""
    return [SPACE_SYMBOL if character == " " else character for character in " ".join(line.split())]


def lm_symbols(units: Units) -> list[str]:
    """Unit id -> the word that stands for it in a language model over units or characters."""
    return [SPACE_SYMBOL if symbol == " " else symbol for symbol in units.symbols]
