"""The check for models, language models and lexicons that do not speak of the same words."""

import logging

import pytest

from asr.decoding.beam import BeamDecoder
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.vocabulary import check_references, check_vocabulary, spell_vocabulary
from asr.errors import DecodingError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.text import split_characters
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units

LOWER = Units("characters", ["<blank>", " ", "a", "b", "c"])


def model(*sentences, unit="words", tokenize=str.split):
    return build_model(train_ngrams([tokenize(sentence) for sentence in sentences], 2, unit=unit))


def test_a_fitting_model_is_silent(caplog):
    lm = model("ab cab", "bac")
    caplog.clear()
    report = check_vocabulary(lm, LOWER)
    assert (report.lm_words, report.unspellable) == (3, [])
    assert caplog.text == ""


def test_upper_case_language_model_is_an_error_that_says_so():
    with pytest.raises(DecodingError, match="2 of 2 words of the language model cannot be spelled") as caught:
        check_vocabulary(model("AB CAB"), LOWER)
    assert "differ in case: lower-casing would make 2 of 2 fit" in caught.value.remedy


def test_a_few_misfits_are_counted_in_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "asr"):
        report = check_vocabulary(model("ab cab ba c", "zoo"), LOWER)
    assert report.unspellable == ["zoo"]
    assert "1 of 5 words of the language model cannot be spelled in the units (zoo)" in caplog.text


def test_word_model_with_word_units():
    units = Units("words", ["<blank>", "<unk>", "one", "two"])
    assert check_vocabulary(model("one two"), units).unspellable == []
    with pytest.raises(DecodingError, match="differ in case"):
        check_vocabulary(model("ONE TWO"), units)


def test_character_model_needs_the_units(caplog):
    lm = model("ab c", "ba", unit="characters", tokenize=split_characters)
    assert check_vocabulary(lm, LOWER).unit_misses == []
    check_vocabulary(lm, Units("characters", ["<blank>", " ", "a", "b", "c", "d"]))
    assert "1 of 5 units are not in the language model (d)" in caplog.text
    with pytest.raises(DecodingError, match="3 of 4 units"):
        check_vocabulary(lm, Units("characters", ["<blank>", " ", "A", "B", "C"]))


def test_lexicon_words_outside_the_language_model(caplog):
    lm = model("ab cab ba")
    report = check_vocabulary(lm, LOWER, Lexicon.from_words(["ab", "cab", "cc"]))
    assert (report.lexicon_words, report.lexicon_misses) == (3, ["cc"])
    assert "1 of 3 words of the lexicon" in caplog.text
    with pytest.raises(DecodingError, match="words of the lexicon are not in the language model"):
        check_vocabulary(lm, LOWER, Lexicon.from_words(["cc", "bb"]))


def test_a_large_lexicon_with_the_model_of_a_small_domain_is_a_warning(caplog):
    many = Lexicon.from_words(["ab", "cab", "ba", *("c" * n for n in range(1, 20))])
    report = check_vocabulary(model("ab cab ba"), LOWER, many)
    assert len(report.lexicon_misses) == 19
    assert "19 of 22 words of the lexicon are not in the language model" in caplog.text


def test_lexicon_of_other_case_than_the_language_model_says_so():
    both = Units("characters", ["<blank>", " ", *"abcABC"])
    with pytest.raises(DecodingError, match="2 of 2 words of the lexicon are not in the language model") as caught:
        check_vocabulary(model("ab cab"), both, Lexicon.from_words(["AB", "CAB"]))
    assert "lower-casing would make 2 of 2 fit" in caught.value.remedy


def test_pronounced_words_need_not_be_spelled_by_letters():
    phones = Units("words", ["<blank>", "<unk>", "K", "AE", "B"])
    report = check_vocabulary(model("CAB CAB"), phones, Lexicon({"CAB": [["K", "AE", "B"]]}))
    assert report.unspellable == []


def test_pronunciations_in_units_that_the_model_lacks_name_them(caplog):
    phones = Units("characters", ["<blank>", *"xyz"])
    one = Lexicon({"one": [["x"]], "two": [["y", "z"]], "six": [["x", "S"], ["T"]]})
    assert spell_vocabulary(phones, None, one).unspellable == ["six"]
    assert "1 of 3 words of the lexicon cannot be spelled in the units (six)" in caplog.text
    assert "it lacks S, T" in caplog.text
    with pytest.raises(DecodingError, match="1 of 1 words of the lexicon cannot be spelled"):
        spell_vocabulary(phones, None, Lexicon({"six": [["S"]]}))


def test_homophones_share_a_spelling():
    phones = Units("characters", ["<blank>", *"ried"])
    lexicon = Lexicon({"READ": [["r", "i", "d"], ["r", "e", "d"]], "RED": [["r", "e", "d"]]})
    graph = spell_vocabulary(phones, None, lexicon)
    assert sorted(graph.words[word] for word in graph.arrays.words) == ["READ", "READ", "RED"]


def test_symbols_are_no_words():
    assert spell_vocabulary(LOWER, model("ab <noise> cab"), None).words == ["ab", "cab"]
    with pytest.raises(DecodingError, match="language model: has no words"):
        spell_vocabulary(LOWER, model("<noise> <noise>"), None)


@pytest.mark.parametrize(
    ("text", "over", "example"), [("a b <space> c", "characters", "<space>"), ("▁a b ▁c", "units", "▁a")]
)
def test_pieces_read_as_words_are_refused_with_the_command_that_mends_it(text, over, example):
    with pytest.raises(DecodingError, match=f"is over {over} .'{example}' is one of its words") as caught:
        check_vocabulary(model(text), LOWER)
    assert f"asr lm convert ARPA FOLDER --unit {over}" in caught.value.remedy


def test_phrases_outside_a_lexicon_can_never_fire(caplog):
    lexicon = Lexicon.from_words(["ab", "cab"])
    phrases = Phrases({"ab cab": 2.0, "cab bac": 2.0}, LOWER)
    BeamDecoder(LOWER, 0.04, lexicon=lexicon, phrases=phrases)
    assert "1 of 2 phrases have words outside the lexicon and can never be recognised (cab bac)" in caplog.text
    with pytest.raises(DecodingError, match="hotwords: 1 of 1 phrases have words outside the lexicon"):
        BeamDecoder(LOWER, 0.04, lexicon=lexicon, phrases=Phrases({"bac": 1.0}, LOWER))


def test_reference_words_outside_a_lexicon_are_counted(caplog):
    lexicon = Lexicon.from_words(["ab", "cab"])
    assert check_references(["ab cab", "ab ab"], lexicon) == []
    assert caplog.text == ""
    assert check_references(["ab bac", "bac zoo ab"], lexicon) == ["bac", "zoo"]
    assert "3 of 5 reference words are outside the lexicon and cannot be recognised (bac, zoo)" in caplog.text


@pytest.mark.parametrize("with_lexicon", [False, True])
def test_decoding_and_the_check_say_the_same(with_lexicon, caplog):
    """`asr lm info` promises what a decoder does: the same warnings, once."""
    lm, lexicon = model("ab cab ba c", "zoo"), Lexicon.from_words(["ab", "cc", "c", "zip"]) if with_lexicon else None
    caplog.clear()
    check_vocabulary(lm, LOWER, lexicon)
    checked = [record.getMessage() for record in caplog.records]
    caplog.clear()
    BeamDecoder(LOWER, 0.04, lm=lm, lexicon=lexicon)
    assert [record.getMessage() for record in caplog.records] == checked
    assert len(checked) == 1 + with_lexicon
