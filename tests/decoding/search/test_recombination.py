"""Which prefixes of a full beam give way: seen from outside, in what a narrow beam finds and a narrower one loses."""

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.tables import Weights
from asr.decoding.search.state import Settings
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcdz"])
LM = build_model(train_ngrams([[word] for word in ("aa", "ab", "ba", "bb", "cd", "zz")] * 3, order=1))


def heard(*frames: dict[str, float]) -> np.ndarray:
    """Log-probabilities of frames given as {symbol: probability}, a blank after each; the rest is shared evenly."""
    probs = np.full((2 * len(frames), len(CHARACTERS)), 1e-6)
    for place, frame in enumerate(frames):
        for symbol, share in frame.items():
            probs[2 * place, CHARACTERS.ids[symbol]] = share
        probs[2 * place + 1, 0] = 1.0
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


EITHER = {"a": 0.75, "b": 0.25}
# Three doubtful words have 64 readings that end alike. The fourth sounds like "ad", which is no word: "cd" is.
DOUBTFUL = heard(*[EITHER, EITHER, {" ": 1.0}] * 3, {"a": 0.9, "c": 0.1}, {"d": 1.0})


def text(beam: int, nbest: int = 1) -> list[str]:
    options = BeamOptions(beam, token_threshold=-6.0, beam_threshold=20.0, nbest=nbest, words=False)
    weights = Weights(alpha=1.0, beta=0.0, unknown_penalty=8.0)
    decoder = BeamDecoder(CHARACTERS, 0.1, options=options, weights=weights, lm=LM)
    return [hypothesis.text for hypothesis in decoder.decode(DOUBTFUL)]


def test_earlier_doubts_do_not_crowd_out_a_letter_that_the_model_needs_later():
    assert text(beam=2000) == ["aa aa aa cd"]
    assert text(beam=4) == ["aa aa aa cd"]


def test_without_recombination_they_do(monkeypatch):
    monkeypatch.setattr(BeamOptions, "settings", lambda self: Settings(self.beam, -6.0, 1e-9, discount=1.0))
    assert text(beam=2000) == ["aa aa aa cd"]
    assert text(beam=4) == ["aa aa aa ad"]


def test_alternatives_keep_the_places_that_are_left_over():
    found = text(beam=60, nbest=8)
    assert len(found) == 8
    assert found[0] == "aa aa aa cd"
    assert {"ab aa aa cd", "ba aa aa cd", "aa aa ab cd"} <= set(found)


@pytest.mark.parametrize("nbest", [1, 5])
def test_a_beam_that_is_not_full_drops_nothing(nbest):
    options = BeamOptions(5000, -1e9, 1e9, nbest=nbest, words=False)
    (best, *_) = BeamDecoder(CHARACTERS, 0.1, options=options).decode(DOUBTFUL[:6])
    (wider, *_) = BeamDecoder(CHARACTERS, 0.1, options=BeamOptions(20_000, -1e9, 1e9, words=False)).decode(DOUBTFUL[:6])
    assert (best.text, best.score) == (wider.text, wider.score)
