"""Boosted phrases: what they change, what they must not change, and the report of which fired.

That scores are exact (the boost of every occurrence and nothing else) is part of test_beam_exhaustive.py.
"""

import math
import random

import numpy as np
import pytest

from asr.config.sections import UnitsConfig
from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrase_automaton import BOUNDARY, read_phrase
from asr.decoding.knowledge.phrases import Phrases, _Builder, read_phrases
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units, build_units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"aceknorty"])


def heard(path: str, rivals: dict[int, str], share: float = 0.3) -> np.ndarray:
    """Log-probabilities that say `path`, but at some places think a rival letter likelier (share is the path's)."""
    probs = np.full((2 * len(path), len(CHARACTERS)), 1e-4)
    for place, letter in enumerate(path):
        probs[2 * place, CHARACTERS.ids[letter]] = 1.0
        probs[2 * place + 1, 0] = 1.0
        if place in rivals:
            probs[2 * place, CHARACTERS.ids[letter]] = share
            probs[2 * place, CHARACTERS.ids[rivals[place]]] = 1.0 - share
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def decoder(boosts: dict[str, float] | None, beam: int = 16) -> BeamDecoder:
    phrases = Phrases(boosts, CHARACTERS) if boosts else None
    return BeamDecoder(CHARACTERS, 0.02, options=BeamOptions(beam=beam), phrases=phrases)


MISHEARD = heard("car to york", {7: "c", 9: "n"})


def test_a_phrase_wins_over_what_was_heard_better():
    assert decoder(None).decode(MISHEARD)[0].text == "car to conk"
    assert decoder({"york": 4.0}).decode(MISHEARD)[0].text == "car to york"


def test_the_boost_is_for_whole_words_in_order():
    plain = decoder(None).decode(MISHEARD)[0]
    for phrase in ("yor", "yorker", "york car", "o york", "ca"):
        boosted = decoder({phrase: 4.0}).decode(MISHEARD)[0]
        assert boosted.text == plain.text
        assert boosted.score == pytest.approx(plain.score, abs=1e-9)


def test_the_score_holds_exactly_the_boosts_of_the_phrases_that_occur():
    plain = decoder(None).decode(heard("a cat a cat", {}))[0]
    boosted = decoder({"cat": 1.5, "a cat": 0.5, "cat a": 0.25, "cat c": 3.0}).decode(heard("a cat a cat", {}))[0]
    assert boosted.text == plain.text
    assert boosted.score - plain.score == pytest.approx(2 * 1.5 + 2 * 0.5 + 0.25, abs=1e-6)
    assert boosted.acoustic_score == pytest.approx(plain.acoustic_score, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_what_a_text_earns_is_the_boosts_of_its_phrases_whatever_the_number_of_units(seed):
    draw = random.Random(seed)
    words = [f"w{number}x" for number in range(300)]
    units = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", *("▁" + word for word in words)], b"unused")
    boosts = {" ".join(draw.choices(words, k=draw.randint(1, 3))): draw.uniform(0.1, 2.0) for _ in range(400)}
    trie = _Builder()
    for phrase, boost in boosts.items():
        symbols = [symbol for word in phrase.split() for symbol in (BOUNDARY, units.ids["▁" + word])]
        trie.add([*symbols, BOUNDARY], boost)
    automaton = trie.arrays(units)
    for _ in range(20):
        said = [word for _ in range(5) for word in draw.choice([*boosts, *words]).split()]
        state, log_gain = automaton.start, 0.0
        for token in [*(units.ids["▁" + word] for word in said), BOUNDARY]:
            state, gain = read_phrase(automaton, state, token)
            log_gain += math.log(gain)
        text = f" {' '.join(said)} "
        starts = (place for place, letter in enumerate(text) if letter == " ")
        earned = [
            boost for place in starts for phrase, boost in boosts.items() if text.startswith(f" {phrase} ", place)
        ]
        assert log_gain == pytest.approx(sum(earned), abs=1e-9)


def test_a_phrase_survives_a_narrow_beam_because_it_is_paid_as_it_is_spelled():
    log_probs = heard("trace", dict(enumerate("ooooo")), share=0.2)
    assert decoder({"trace": 12.0}, beam=3).decode(log_probs)[0].text == "trace"


def test_the_report_counts_every_phrase_even_those_that_never_fired():
    phrases = Phrases(
        {"new york": 1.0, "york": 1.0, "ace": 1.0}, Units("characters", [BLANK_SYMBOL, " ", *"aceknorwy"])
    )
    assert phrases.report(["new york york", "a new york"]) == {"york": 3, "new york": 2, "ace": 0}
    assert phrases.fired("york new") == {"york": 1}


def test_pieces_are_boosted_in_the_spelling_of_the_units():
    units = build_units(["new york new year", "yonder knew york"] * 5, UnitsConfig(kind="bpe", size=24))
    tokens = units.encode("new york")
    probs = np.full((2 * len(tokens), len(units)), 1e-4)
    probs[2 * np.arange(len(tokens)), tokens] = 0.2
    probs[2 * np.arange(len(tokens)), 0] = 0.8
    probs[2 * np.arange(len(tokens)) + 1, 0] = 1.0
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)
    boosted = BeamDecoder(units, 0.02, phrases=Phrases({"new york": 3.0 * len(tokens)}, units))
    assert BeamDecoder(units, 0.02).decode(log_probs)[0].text == ""
    assert boosted.decode(log_probs)[0].text == "new york"


@pytest.mark.parametrize(
    ("phrase", "boost", "reason"),
    [
        ("zürich", 5.0, "cannot be boosted: has characters outside"),
        ("  ", 5.0, "boosted"),
        ("car", 0.0, "0.0"),
        ("car", float("nan"), "nan"),
    ],
)
def test_a_phrase_that_cannot_work_is_an_error(phrase, boost, reason):
    with pytest.raises(DecodingError, match=reason):
        Phrases({phrase: boost}, CHARACTERS)


def test_a_word_that_word_units_lack_is_an_error():
    with pytest.raises(DecodingError, match="'new york': cannot be boosted"):
        Phrases({"new york": 1.0}, Units("words", [BLANK_SYMBOL, "<unk>", "new"]))


def test_units_without_word_marks_are_an_error():
    with pytest.raises(DecodingError, match="units that mark words"):
        Phrases({"ab": 1.0}, Units("characters", [BLANK_SYMBOL, *"ab"]))


def test_phrases_are_read_from_a_file_with_boosts(tmp_path):
    path = tmp_path / "phrases.txt"
    path.write_text("# names\nnew york\t2.5\n\nace\n", encoding="utf-8")
    assert read_phrases(path) == {"new york": 2.5, "ace": 5.0}
    path.write_text("new york\tmuch\n", encoding="utf-8")
    with pytest.raises(DecodingError, match=r"phrases\.txt:1: boost 'much'"):
        read_phrases(path)
    path.write_text("\n", encoding="utf-8")
    with pytest.raises(DecodingError, match="no phrases"):
        read_phrases(path)
    with pytest.raises(DecodingError, match="cannot be read"):
        read_phrases(tmp_path / "missing.txt")
