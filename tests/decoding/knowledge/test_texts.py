"""Texts as numbers: equal for every way to cut a text into pieces, different for different texts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.knowledge.texts import NO_SEPARATOR, NOTHING, number_of, text_after, texts_of
from asr.units import BLANK, BLANK_SYMBOL, Units

PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "ba", "a", "▁b"], b"unused")
CHARACTERS = Units("characters", [BLANK_SYMBOL, "a", " ", "b"])
TEXTS = texts_of(PIECES, told_apart=False)
read = text_after.py_func


def number(*symbols: str) -> int:
    text, last = NOTHING, BLANK
    with np.errstate(over="ignore"):
        for symbol in symbols:
            token = PIECES.ids[symbol]
            text, last = read(TEXTS, text, last, token), token
    return int(text)


@given(
    st.lists(st.sampled_from(PIECES.symbols[2:]), max_size=8), st.lists(st.sampled_from(PIECES.symbols[2:]), max_size=8)
)
def test_numbers_are_equal_just_when_texts_are(one, other):
    texts = [PIECES.decode([PIECES.ids[symbol] for symbol in symbols]) for symbols in (one, other)]
    assert (number(*one) == number(*other)) == (texts[0] == texts[1])


@pytest.mark.parametrize(
    "symbols",
    [("▁ab", "▁b"), ("▁a", "b", "▁b"), ("a", "b", "▁b"), ("▁", "a", "b", "▁", "b"), ("▁", "▁ab", "▁", "▁", "▁b")],
)
def test_cuts_and_lone_markers_do_not_matter(symbols):
    assert number(*symbols) == number_of("▁ab▁b")


def test_a_marker_counts_when_letters_follow():
    assert number("▁ab", "▁") == number("▁ab")
    assert number("▁ab", "▁", "b") == number("▁ab", "▁b") != number("▁ab", "b")


def test_only_pieces_are_looked_for_and_only_spaces_may_be_repeated():
    assert texts_of(PIECES, told_apart=False).by_pieces
    assert not texts_of(CHARACTERS, told_apart=False).by_pieces
    assert texts_of(CHARACTERS, told_apart=False).separator == CHARACTERS.space
    assert texts_of(Units("characters", [BLANK_SYMBOL, "x"]), told_apart=False).separator == NO_SEPARATOR


@pytest.mark.parametrize("units", [PIECES, CHARACTERS])
def test_a_model_that_scores_units_tells_spellings_apart(units):
    texts = texts_of(units, told_apart=True)
    assert (texts.by_pieces, texts.separator) == (False, NO_SEPARATOR)
