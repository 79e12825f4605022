"""Phones outside an inventory become the nearest ones in it, and every change is counted."""

import pytest

from asr.pronunciation.arpabet import ENGLISH
from asr.pronunciation.inventory import Decisions, common_phones, english, fit, nearest


@pytest.mark.parametrize(
    ("phone", "becomes"),
    [
        ("ɐ", "ə"), ("ᵻ", "ɪ"), ("ʔ", "t"), ("ɾ", "t"), ("n̩", "ə n"), ("əl", "ə l"),
        ("oː", "ɔ"), ("ɔː", "ɔ"), ("iː", "i"),
        ("ɜː", "ɚ"), ("aɪɚ", "aɪ ɚ"), ("aɪə", "aɪ ə"), ("iə", "i ə"), ("r", "ɹ"), ("ɑːɹ", "ɑ ɹ"),
        ("x", "k"), ("k", "k"),
    ],
)  # fmt: skip
def test_espeaks_english_on_cmudicts_phones(phone, becomes):
    assert nearest(phone, ENGLISH) == tuple(becomes.split())


def test_nothing_near():
    assert nearest("ǃ", ENGLISH) == ()
    assert english(["ǃ", "ɐ"]) == ("ǃ", "ə")


def test_length_and_nasality_are_the_first_to_go():
    assert nearest("aː", {"a", "b"}) == ("a",)
    assert nearest("tʲ", {"t"}) == ("t",)


def test_several_steps():
    assert nearest("ʀ", {"ɹ"}) == ("ɹ",)


def test_fitting_counts_what_it_changes():
    decisions = Decisions()
    assert fit(["k", "ʔ", "t"], {"k", "t"}, decisions, times=5) == ("k", "t", "t")
    assert fit(["ʔ"], {"k", "t"}, decisions, times=2) == ("t",)
    assert fit(["ǃ", "k"], {"k", "t"}, decisions) == ()
    assert decisions.lines() == ["ʔ -> t (7 times)", "ǃ: nothing near it (1 times)"]


def test_phones_often_enough():
    assert common_phones({"ɛ": 100, "æ": 99}, 100) == {"ɛ"}


def test_a_rare_phone_without_neighbours_stays():
    assert common_phones({"ɛ": 100, "m": 99}, 100) == {"ɛ", "m"}
