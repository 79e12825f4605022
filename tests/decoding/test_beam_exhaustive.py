"""The beam search equals exhaustive search in every mode: all paths of T <= 6 frames over V <= 4 units are summed.

The expected scores come from the definitions: the CTC probability of a unit sequence is the sum over all paths that
collapse to it, and the language model, lexicon and phrases score the text that the units spell.
"""

import itertools
import math
from collections import defaultdict
from functools import cache

import numpy as np
import pytest
from reference_knowledge import ReferenceKnowledge
from reference_search import ReferenceSearch

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights
from asr.decoding.search.state import Settings
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK_SYMBOL, Units

CASES = 150
WIDE = BeamOptions(beam=5000, token_threshold=-1e9, beam_threshold=1e9, nbest=3)
WEIGHTS = Weights(alpha=0.7, beta=0.4, unknown_penalty=1.5)

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
PIECES = Units("bpe", [BLANK_SYMBOL, "▁", "▁a", "b"], b"unused")
TWO_WAYS = Units("bpe", [BLANK_SYMBOL, "▁", "▁a", "▁ab", "b"], b"unused")
WORDS = Units("words", [BLANK_SYMBOL, "<unk>", "a", "ab"])
PHONES = Units("characters", [BLANK_SYMBOL, "x", "y", "z"])
LETTERS = Lexicon({"a": [], "ab": [], "bb": []})
SOUNDS = Lexicon({"one": [["x"]], "won": [["x"]], "two": [["x", "y"], ["z"]], "yes": [["y", "x"]], "so": [["y"]]})


def language_model(sentences: list[str], unit: str = "words"):
    return build_model(train_ngrams([sentence.split() for sentence in sentences], order=3, unit=unit))


WORD_LM = language_model(["a ab", "ab a a", "a b a ab", "ab ab", "bb a", "b"] * 3)
UNIT_LM = language_model(["a <space> a b", "b a <space> b", "a a b b", "b <space> a"] * 3, "units")
PIECE_LM = language_model(["▁a b ▁ b", "▁ b ▁a", "b b ▁a b", "▁a ▁a b"] * 3, "units")
SOUND_LM = language_model(["one two", "won so yes", "two yes one one", "so so"] * 3)

MODES = {
    "no model": (CHARACTERS, None, None, None),
    "unit model": (CHARACTERS, UNIT_LM, None, None),
    "pieces": (TWO_WAYS, None, None, None),
    "unit model over pieces": (PIECES, PIECE_LM, None, None),
    "word model, characters": (CHARACTERS, WORD_LM, None, None),
    "word model, pieces": (PIECES, WORD_LM, None, None),
    "word model, pieces with two spellings": (TWO_WAYS, WORD_LM, None, None),
    "word model, word units": (WORDS, WORD_LM, None, None),
    "lexicon, characters": (CHARACTERS, None, LETTERS, None),
    "lexicon and word model, characters": (CHARACTERS, WORD_LM, LETTERS, None),
    "lexicon and word model, pieces": (PIECES, WORD_LM, LETTERS, None),
    "pronunciations with homophones": (PHONES, None, SOUNDS, None),
    "pronunciations and word model": (PHONES, SOUND_LM, SOUNDS, None),
    "phrases": (CHARACTERS, None, None, {"a b": 2.0, "ab": 1.0, "b a": 0.7}),
    "phrases and word model": (CHARACTERS, WORD_LM, None, {"a": 0.8, "a ab": 2.5, "ab b": 1.0}),
    "phrases and word units": (WORDS, WORD_LM, None, {"a a": 1.0, "ab": 0.5, "a ab a": 2.0}),
}


@cache
def collapsed(frames: int, size: int) -> tuple[np.ndarray, np.ndarray, list[tuple[int, ...]]]:
    """Every path (size^frames, frames), the index of what it reads as, and the readings."""
    paths = list(itertools.product(range(size), repeat=frames))
    readings: dict[tuple[int, ...], int] = {}
    index = [
        readings.setdefault(tuple(unit for unit, _ in itertools.groupby(path) if unit), len(readings)) for path in paths
    ]
    return np.array(paths, dtype=np.int64).reshape(-1, frames), np.array(index), list(readings)


def probabilities(log_probs: np.ndarray) -> dict[tuple[int, ...], float]:
    """CTC probability of every unit sequence, by summing over all paths."""
    paths, index, readings = collapsed(*log_probs.shape)
    masses = np.exp(log_probs[np.arange(len(log_probs)), paths].sum(axis=1))
    return dict(zip(readings, np.bincount(index, masses), strict=True))


def segmentations(symbols: tuple[str, ...], lexicon: Lexicon) -> list[list[str]]:
    """All word sequences whose pronunciations laid end to end are `symbols`."""
    if not symbols:
        return [[]]
    return [
        [word, *rest]
        for word, pronunciations in lexicon.entries.items()
        for sound in map(tuple, pronunciations)
        if symbols[: len(sound)] == sound
        for rest in segmentations(symbols[len(sound) :], lexicon)
    ]


def lm_gain(words: list[str], lm) -> float:
    unknown = sum(word not in lm.ids or word == "<unk>" for word in words) if lm else 0
    log_prob = lm.score(words) if lm else 0.0
    return WEIGHTS.alpha * log_prob + WEIGHTS.beta * len(words) - WEIGHTS.unknown_penalty * unknown


def occurrences(phrase: str, text: str) -> int:
    words, wanted = text.split(), phrase.split()
    return sum(words[first : first + len(wanted)] == wanted for first in range(len(words)))


@cache
def gains(mode: str, frames: int) -> dict[tuple[int, ...], list[tuple[str, float]]]:
    """(text, natural log of all factors) of every way to read a unit sequence; impossible ones are left out."""
    units, lm, lexicon, boosts = MODES[mode]
    found: dict[tuple[int, ...], list[tuple[str, float]]] = defaultdict(list)
    for reading in collapsed(frames, len(units))[2]:
        symbols = tuple("<space>" if units.symbols[unit] == " " else units.symbols[unit] for unit in reading)
        text = units.decode(reading)
        if lexicon is not None and lexicon.has_pronunciations:
            found[reading] = [(" ".join(w), lm_gain(w, lm)) for w in segmentations(symbols, lexicon)]
        elif lexicon is not None:
            if all(word in lexicon.entries for word in text.split()):
                found[reading] = [(text, lm_gain(text.split(), lm))]
        elif lm is not None and (lm.unit == "words"):
            found[reading] = [(text, lm_gain(text.split(), lm))]
        elif lm is not None:
            found[reading] = [(text, lm_gain(list(symbols), lm))]
        else:
            found[reading] = [(text, 0.0)]
        if boosts:
            extra = sum(boost * occurrences(phrase, text) for phrase, boost in boosts.items())
            found[reading] = [(text, gain + extra) for text, gain in found[reading]]
    return found


def scores_of(mode: str, log_probs: np.ndarray) -> dict[str, float]:
    """Score of every text: the sum over its spellings, or, where these are scored each by itself, that of the best."""
    _, lm, lexicon, _ = MODES[mode]
    told_apart = (lm is not None and lm.unit == "units") or (lexicon is not None and lexicon.has_pronunciations)
    probs, found = probabilities(log_probs), {}
    for reading, ways in gains(mode, len(log_probs)).items():
        for text, gain in ways:
            score, before = math.log(probs[reading]) + gain, found.get(text, -math.inf)
            found[text] = max(before, score) if told_apart else np.logaddexp(before, score)
    return found


def random_log_probs(rng: np.random.Generator, size: int) -> np.ndarray:
    frames = int(rng.integers(1, 7 if size <= 4 else 6))
    logits = rng.normal(0.0, rng.choice([0.5, 2.0, 5.0]), (frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


@pytest.mark.parametrize("mode", MODES)
def test_beam_search_finds_what_exhaustive_search_finds(mode):
    units, lm, lexicon, boosts = MODES[mode]
    phrases = phrase_set(boosts, units)
    decoder = BeamDecoder(units, 1.0, options=WIDE, weights=WEIGHTS, lm=lm, lexicon=lexicon, phrases=phrases)
    rng = np.random.default_rng(len(mode))
    for _ in range(CASES):
        log_probs = random_log_probs(rng, len(units))
        expected = scores_of(mode, log_probs)
        found = decoder.decode(log_probs)
        top = sorted(expected.values(), reverse=True)[:3]
        np.testing.assert_allclose([h.score for h in found], top, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose([expected[h.text] for h in found], top, rtol=1e-5, atol=1e-5)
        assert len({h.text for h in found}) == len(found)


@pytest.mark.parametrize("mode", MODES)
def test_the_plain_python_search_finds_the_same(mode):
    units, lm, lexicon, boosts = MODES[mode]
    search = ReferenceSearch(
        ReferenceKnowledge(units, WEIGHTS, lm, lexicon, phrase_set(boosts, units)), Settings(5000, -1e9, 0.0, 0.0)
    )
    rng = np.random.default_rng(7)
    for _ in range(10):
        log_probs = random_log_probs(rng, len(units))[:5]
        search.begin()
        search.run(log_probs)
        (best,) = search.readings(1)
        expected = scores_of(mode, log_probs)
        assert best.score == pytest.approx(max(expected.values()), abs=1e-5)
        assert best.score == pytest.approx(expected[best.text], abs=1e-5)


def phrase_set(boosts, units):
    return Phrases(boosts, units) if boosts else None
