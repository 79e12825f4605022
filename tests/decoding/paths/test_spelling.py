"""A word that has no spelling is named; it never becomes the unknown unit."""

import pytest

from asr.config.sections import UnitsConfig
from asr.decoding.paths.alignment import align_text
from asr.decoding.paths.spelling import spell
from asr.errors import UnitsError
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, Units, build_units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
WORDS = Units("words", [BLANK_SYMBOL, UNKNOWN_SYMBOL, "yes", "no"])
BPE = build_units(["banana bandana cabana"] * 20, UnitsConfig(kind="bpe", size=12))


@pytest.mark.parametrize(
    ("units", "text", "bad"),
    [(CHARACTERS, "ab  Öl ba 7", "'Öl' '7'"), (WORDS, "yes maybe no maybe", "'maybe'"), (BPE, "banana zoo", "'zoo'")],
    ids=["characters", "words", "bpe"],
)
def test_each_word_without_a_spelling_is_named(units, text, bad):
    with pytest.raises(UnitsError, match=f"u1: holds {bad}, which the units of the model cannot spell"):
        spell(text, units, "u1")


@pytest.mark.parametrize(
    ("units", "text"), [(CHARACTERS, "ab ba"), (WORDS, "no no yes"), (BPE, "banana cab"), (CHARACTERS, "")]
)
def test_other_texts_are_spelled_as_ever(units, text):
    assert spell(text, units) == units.encode(text)


@pytest.mark.parametrize("units", [WORDS, BPE], ids=["words", "bpe"])
def test_an_alignment_never_holds_the_unknown_unit(units):
    import numpy as np

    flat = np.full((50, len(units)), -np.log(len(units)), np.float32)
    with pytest.raises(UnitsError, match="qqq"):
        align_text(flat, "qqq", units, 0.04)
