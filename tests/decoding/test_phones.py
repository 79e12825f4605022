"""Models of phones: the lexicon makes words of them, says words that it lacks, and knows which way a word was said."""

from dataclasses import replace

import numpy as np
import pytest
from tests_phones import ENTRIES, PHONES, saying

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.from_files import DecoderRecipe, pronounced
from asr.decoding.knowledge.phrases import phrase_spellings
from asr.decoding.paths.alignment import align_text, best_path, choose_pronunciations
from asr.errors import DecodingError, UnitsError
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units


@pytest.fixture
def units_file(tmp_path):
    PHONES.save(tmp_path / "units.txt")
    return tmp_path / "units.txt"


def decode(recipe, phones, confidence=0.9):
    return recipe().decode(saying(phones, confidence))[0]


def test_words_of_the_models_own_lexicon(units_file):
    recipe = DecoderRecipe(units_file, 0.04)
    assert decode(recipe, "kæt").text == "cat"
    assert decode(recipe, "kættæk").text == "cat tack"
    assert [word.text for word in decode(recipe, "kættæk").words] == ["cat", "tack"]
    assert decode(recipe, "t").text == "at"  # its second pronunciation


def test_a_word_list_is_pronounced(units_file, tmp_path):
    (tmp_path / "words.txt").write_text("cat\ntact\n")
    recipe = DecoderRecipe(units_file, 0.04, lexicon=tmp_path / "words.txt")
    assert decode(recipe, "tækt").text == "tact"
    assert decode(recipe, "tæk").text == "tact"  # tack is not in the list


def test_a_models_lexicon_says_the_words_that_it_has(units_file):
    entries = pronounced(Units.load(units_file), Lexicon.from_words(["at", "tact"])).entries
    assert entries == {"at": ENTRIES["at"], "tact": [("t", "æ", "k", "t")]}


def test_hotwords_that_the_lexicon_lacks_are_added(units_file, tmp_path):
    (tmp_path / "lexicon.txt").write_text("cat k æ t\ntack t æ k\n")
    log_probs = saying("tæk")
    log_probs[-3:-1, 2] = np.log(0.4)  # the k might be a t
    log_probs[-3:-1, 1] = np.log(0.5)
    log_probs[-3:-1, [0, 3]] = np.log(0.05)
    plain = DecoderRecipe(units_file, 0.04, lexicon=tmp_path / "lexicon.txt")
    boosted = replace(plain, phrases={"cat tack": 1.0, "tat": 8.0})
    assert plain().decode(log_probs)[0].text == "tack"
    assert boosted().decode(log_probs)[0].text == "tat"
    assert boosted().phrases.fired("a tat b tat") == {"tat": 2}


def test_without_any_lexicon(tmp_path):
    Units("phones", PHONES.symbols).save(tmp_path / "units.txt")
    with pytest.raises(DecodingError, match="a model of phones needs one; give --lexicon, see 'asr lexicon'"):
        DecoderRecipe(tmp_path / "units.txt", 0.04)()


def test_a_phrase_is_boosted_in_each_way_of_saying_it():
    spellings = phrase_spellings("at cat", PHONES)
    assert [[token for token in spelling if token >= 1] for spelling in spellings] == [[3, 2, 1, 3, 2], [2, 1, 3, 2]]
    with pytest.raises(DecodingError, match="'dog' has no pronunciation"):
        phrase_spellings("dog", PHONES)


def test_words_in_progress_are_not_shown_as_phones(units_file):
    decoder = BeamDecoder(PHONES, 0.04, options=BeamOptions(8), lexicon=Lexicon(ENTRIES))
    state = decoder.advance(decoder.start(), saying("kættæ"))
    assert decoder.stable_prefix(state) == ""
    assert decoder.finish(decoder.advance(state, saying("k")))[0].text == "cat tack"


@pytest.mark.parametrize(("phones", "said"), [("kætæt", [[1, 3, 2], [3, 2]]), ("kæt-t", [[1, 3, 2], [2]])])
def test_the_pronunciation_that_fits_is_chosen(phones, said):
    assert choose_pronunciations(saying(phones, 0.7), "cat at", PHONES) == said


@pytest.mark.parametrize("seed", range(8))
def test_the_choice_is_the_best_of_all(seed):
    random = np.random.default_rng(seed)
    unsure = np.log(random.dirichlet(np.ones(4), 7)).astype(np.float32)
    log_probs = np.concatenate([saying("kæk", 0.999), unsure, saying("kæk", 0.999)])
    units = PHONES.pronouncing({"kak": [("k", "æ", "k")], **ENTRIES})
    scores = []
    for middle in ENTRIES["at"]:
        tokens = units.ids_of_phones(" ".join(["k æ k", *middle, "k æ k"]))
        scores.append(best_path(log_probs, np.array(tokens, np.int32))[2])
    best = ENTRIES["at"][int(np.argmax(scores))]
    chosen = choose_pronunciations(log_probs, "kak at kak", units)[1]
    assert tuple(units.symbols[token] for token in chosen) == best


def test_words_are_aligned_with_what_was_said():
    alignment = align_text(saying("kæt-t"), "cat at", PHONES, 0.1)
    assert [word.text for word in alignment.words] == ["cat", "at"]
    assert PHONES.decode(span.unit for span in alignment.spans) == "k æ t t"
    assert alignment.words[1].start > alignment.words[0].end
    with pytest.raises(UnitsError, match="without a pronunciation: dog"):
        align_text(saying("kæt"), "dog", PHONES, 0.1)
