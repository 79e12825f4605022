"""A lexicon of given words: the first source that has a word says it, rare phones are merged, nothing goes unsaid."""

from collections import Counter

import pytest

from asr.errors import CorpusError
from asr.pronunciation.building import Sources, build_lexicon, complete, count_words
from asr.pronunciation.lexicon import Lexicon


def test_the_first_source_that_has_the_word_says_it():
    own = Lexicon({"tomato": [("t", "ə", "m", "ɑ", "t", "oʊ")]})
    sources = Sources([own])
    assert sources.pronounce("TOMATO") == ("dictionary", [("t", "ə", "m", "ɑ", "t", "oʊ")])
    assert sources.pronounce("CAT") == ("CMUdict", [("k", "æ", "t")])
    assert sources.pronounce("GATHERCOLE") == ("espeak-ng", [("ɡ", "æ", "ð", "ɚ", "k", "oʊ", "l")])


def test_a_dictionary_in_arpabet_becomes_ipa():
    own = Lexicon({"asr": [("EY1", "EH1", "S", "AA1", "R")]})
    assert Sources([own]).pronounce("asr")[1] == [("eɪ", "ɛ", "s", "ɑ", "ɹ")]


def test_cmudict_speaks_english_only():
    source, said = Sources(language="de").pronounce("Gift")
    assert (source, said) == ("espeak-ng", [("ɡ", "ɪ", "f", "t")])


def test_without_a_language_a_dictionary_alone_is_asked():
    sources = Sources([Lexicon({"cat": [("K",)]})], language="")
    assert sources.pronounce("cat") == ("dictionary", [("K",)])
    assert sources.pronounce("dog") == ("", [])


def test_rare_phones_become_their_nearest():
    built = build_lexicon(Counter({"SHIP": 100, "BEIGE": 2, "ZEBRA": 100}), Sources(), rare=50)
    assert built.lexicon.entries["BEIGE"][0] == ("b", "eɪ", "ʃ")  # nothing common is near eɪ
    assert "ʒ -> ʃ (2 times)" in built.merged.lines()


def test_given_phones_are_the_only_ones():
    built = build_lexicon(Counter({"CAT": 1, "DOG": 1}), Sources(), inventory=["k", "æ", "t"])
    assert list(built.lexicon.entries) == ["CAT"]
    assert built.silent == ["DOG"]


def test_what_nobody_can_say_is_named():
    built = build_lexicon(Counter({"CAT": 3, "...": 1}), Sources(), rare=0)
    assert built.silent == ["..."]
    assert built.sources == {"CMUdict": ["CAT"]}
    assert built.phones == {"k": 3, "æ": 3, "t": 3}
    with pytest.raises(CorpusError, match="cannot be pronounced, nor any other word"):
        build_lexicon(Counter({"...": 1}), Sources())


def test_counting_words_of_texts_and_manifests(tmp_path):
    (tmp_path / "a.txt").write_text("a b\nb\n")
    (tmp_path / "b.jsonl").write_text('{"text": "b c"}\n')
    assert count_words([tmp_path / "a.txt", tmp_path / "b.jsonl"]) == {"a": 1, "b": 3, "c": 1}
    (tmp_path / "a.txt").write_text("\n")
    with pytest.raises(CorpusError, match="hold no word"):
        count_words([tmp_path / "a.txt"])


def test_completing_a_models_lexicon_asks_for_what_it_lacks_only(caplog):
    known = {"cat": [("t",)]}
    with caplog.at_level("INFO"):
        found = complete(["cat", "tack", "..."], known, "en-us", ["k", "æ", "t"])
    assert found == {"cat": [("t",)], "tack": [("t", "æ", "k")]}
    assert "pronounced by CMUdict: tack" in caplog.text
    assert "never recognised: ..." in caplog.text


def test_without_a_language_nothing_is_completed(caplog):
    assert complete(["tack"], {}, "", ["k", "æ", "t"]) == {}
    assert "never recognised: tack" in caplog.text
