"""Prefixes that another one outdoes for good leave the beam, and the best text and its score stay what they were."""

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.beam_reference import ReferenceSearch
from asr.decoding.knowledge.tables import Weights
from asr.decoding.reference_knowledge import ReferenceKnowledge
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

LETTERS = Units("characters", [BLANK_SYMBOL, "a", "b", "c"])
CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
TEXTS = ["a <space> a b", "b a <space> b", "a a b b", "b <space> a", "a b a b a <space> a"]
UNIT_LM = build_model(train_ngrams([text.split() for text in TEXTS * 3], order=5, unit="units"))
WORD_LM = build_model(train_ngrams([text.split() for text in ("a ab", "ab a a", "ba b", "aab ab b") * 3], order=3))

MODES = {
    "no model": (LETTERS, None),
    "unit model": (CHARACTERS, UNIT_LM),
    "word model": (CHARACTERS, WORD_LM),
}


@pytest.fixture(autouse=True)
def spare_in_wide_beams(monkeypatch):
    monkeypatch.setattr("asr.decoding.beam.MOST_SPARED", 10**6)


def decoder(mode: str, nbest: int, thresholds: tuple[float, float] = (-5.0, 10.0)) -> BeamDecoder:
    """One whose beam is never full; with `nbest` above 1 nothing is left out because it is outdone."""
    units, lm = MODES[mode]
    options, weights = BeamOptions(30_000, *thresholds, nbest=nbest, words=False), Weights(alpha=3.0)
    return BeamDecoder(units, 0.1, options=options, weights=weights, lm=lm)


def random_log_probs(rng: np.random.Generator, frames: int, spread: float) -> np.ndarray:
    """Sharp ones, or all short prefixes stay in the beam and nothing is ever outdone."""
    logits = rng.normal([spread / 2, 0.0, 0.0, 0.0], spread, (frames, 4))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def width(decoder: BeamDecoder, log_probs: np.ndarray) -> int:
    """Prefixes in the beam after these frames."""
    return len(decoder.advance(decoder.start(), log_probs).snapshot.beam)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("frames", "spread", "thresholds"), [(25, 8.0, (-5.0, 10.0)), (40, 11.0, (-5.0, 10.0))])
def test_best_text_and_score_are_those_of_the_whole_beam(mode, frames, spread, thresholds):
    spared, whole = decoder(mode, 1, thresholds), decoder(mode, 2, thresholds)
    rng, fewer = np.random.default_rng(5), 0
    for _ in range(400):
        log_probs = random_log_probs(rng, frames, spread)
        (found, *_), (expected, *_) = spared.decode(log_probs), whole.decode(log_probs)
        assert (found.text, found.score) == (expected.text, pytest.approx(expected.score, abs=1e-6))
        fewer += width(spared, log_probs) < width(whole, log_probs)
    assert fewer > 100


@pytest.mark.parametrize("mode", MODES)
def test_the_plain_python_search_drops_the_same(mode):
    spared = decoder(mode, 1)
    units, lm = MODES[mode]
    search = ReferenceSearch(ReferenceKnowledge(units, Weights(alpha=3.0), lm, None, None), spared.options.settings())
    rng = np.random.default_rng(5)
    for _ in range(40):
        log_probs = random_log_probs(rng, 20, 8.0)
        search.begin()
        search.run(log_probs)
        assert len(search.beam) == width(spared, log_probs)
        (found, *_), (expected, *_) = spared.decode(log_probs), search.readings(1)
        assert (found.text, found.score) == (expected.text, pytest.approx(expected.score, abs=1e-6))


def heard(*symbols: str) -> np.ndarray:
    """Frames with 0.9 for the one named ("-" for a blank), or 0.5 and 0.4 for two."""
    probs = np.full((len(symbols), len(LETTERS)), 0.05)
    for row, frame in zip(probs, symbols, strict=True):
        for symbol, share in zip(frame, (0.9,) if len(frame) == 1 else (0.5, 0.4), strict=True):
            row[0 if symbol == "-" else LETTERS.ids[symbol]] = share
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def test_what_differs_long_ago_leaves_the_beam():
    doubt, rest = ["ab", "-"], ["c", "-", "a", "-", "b", "-", "c"]
    frames = heard(*doubt, *rest)
    spared, whole = decoder("no model", 1, (-5.0, 6.0)), decoder("no model", 2, (-5.0, 6.0))
    assert width(spared, frames) < width(whole, frames)
    (best, *_), (first, *_) = spared.decode(frames), whole.decode(frames)
    assert best.text == first.text == "acabc"


def test_what_differs_in_the_last_units_stays():
    frames = heard("c", "-", "a", "-", "ab", "-")
    spared, whole = decoder("no model", 1, (-5.0, 6.0)), decoder("no model", 2, (-5.0, 6.0))
    readings = {"caa", "cab"}
    assert readings <= {hypothesis.text for hypothesis in whole.decode(frames)}
    later = heard("c", "-", "a", "-", "ab", "b")  # decides for what was the second one
    assert spared.decode(later)[0].text == "cab"
