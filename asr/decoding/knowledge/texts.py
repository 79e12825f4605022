"""The text that units spell, as a number, for compiled code. V: units.

BPE pieces spell a text in many ways ("▁he" "llo", "▁hell" "o"), and so do characters, since several spaces read as one.
The probability of a text is the sum over all its spellings, so prefixes that spell the same are one prefix to the
search. Otherwise its beam would fill with spellings of few texts, and the most probable text could lose to one that is
spelled in fewer ways.

The number of a text is the value of its characters, a word-start marker before each word, as the digits of a number in
base `BASE`, modulo 2^64 (Karp & Rabin 1987): it does not depend on where the text was cut. A marker that is a piece by
itself counts when letters follow.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.kernels.compile import Integer, kernel
from asr.kernels.hashing import HIGH, ONE, spread
from asr.units import BLANK, WORD_START, Units

BASE = 0x9E3779B97F4A7C15
DIGIT = 0xD6E8FEB86659FD93  # spreads code points over all bits
MODULUS = 1 << 64
NOTHING = np.uint64(0)  # the text of the empty prefix
NO_SEPARATOR = BLANK  # which no prefix ends in


class TextArrays(NamedTuple):
    """What each unit adds to a text."""

    by_pieces: bool  # whether units are cuts of words, so that spellings must be looked for
    separator: int  # the space character, when repeating it changes nothing; or NO_SEPARATOR
    marker: int  # the piece that is a word-start marker and no more, or BLANK
    factors: NDArray[np.uint64]  # (2, V) after letters; at the beginning of a word
    terms: NDArray[np.uint64]  # (2, V)


@kernel
def text_after(texts: TextArrays, text: Integer, last: Integer, token: Integer) -> Integer:
    """The number of a text, spelled with a certain last unit (BLANK: none), with one more unit."""
    row = 1 if last == BLANK or last == texts.marker else 0
    return np.uint64(text) * texts.factors[row, token] + texts.terms[row, token]


def number_of(letters: str) -> int:
    """The number of a text."""
    value = 0
    for letter in letters:
        value = (value * BASE + (ord(letter) + 1) * DIGIT) % MODULUS
    return value


def texts_of(units: Units, told_apart: bool) -> TextArrays:
    """The tables of a unit inventory.

    Args:
        units: the inventory.
        told_apart: whether spellings of one text are scored each by itself, as language models over units do.
    """
    by_pieces = units.kind == "bpe" and not told_apart
    separator = units.space if units.space is not None and not told_apart else NO_SEPARATOR
    if not by_pieces:
        return no_texts(separator)
    letters = [symbol.removeprefix(WORD_START) for symbol in units.symbols]
    first = [WORD_START + symbol if symbol else "" for symbol in letters]
    inside = [symbol if symbol != WORD_START else "" for symbol in units.symbols]
    factors = [[pow(BASE, len(added), MODULUS) for added in row] for row in (inside, first)]
    terms = [[number_of(added) for added in row] for row in (inside, first)]
    marker = units.ids.get(WORD_START, BLANK)
    return TextArrays(True, separator, marker, np.array(factors, np.uint64), np.array(terms, np.uint64))


def no_texts(separator: int = NO_SEPARATOR) -> TextArrays:
    """The tables of units that spell every text in one way, but for repeated separators."""
    return TextArrays(False, separator, BLANK, np.zeros((2, 1), np.uint64), np.zeros((2, 1), np.uint64))


@kernel
def key_of(text: Integer, token: int, phrase: int) -> Integer:
    """A number, not EMPTY, that is the same for prefixes of one text, last unit and state of the phrases."""
    return spread(np.uint64(text) + spread((np.uint64(phrase) << HIGH) + np.uint64(token) + ONE)) | ONE
