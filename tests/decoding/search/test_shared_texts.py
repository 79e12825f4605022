"""Spellings of one text share a place in the beam: seen in what the search finds."""

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.paths.text_score import score_text
from asr.units import BLANK_SYMBOL, Units

PIECES = Units("bpe", [BLANK_SYMBOL, "▁a", "b", "▁ab", "▁c", "d", "▁cd"], b"unused")
CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])


def heard(units: Units, *frames: dict[str, float]) -> np.ndarray:
    """Log-probabilities of frames given as {symbol: probability}; the rest is shared evenly."""
    probs = np.full((len(frames), len(units)), 1e-7)
    for place, frame in enumerate(frames):
        for symbol, share in frame.items():
            probs[place, units.ids[symbol] if symbol else 0] = share
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


def decode(units: Units, log_probs: np.ndarray, beam: int, nbest: int = 1):
    options = BeamOptions(beam, token_threshold=-12.0, beam_threshold=30.0, nbest=nbest, words=False)
    return BeamDecoder(units, 0.1, options=options).decode(log_probs)


# "ab" is said in two ways of 0.3 each, "cd" in one of 0.4.
TWO_WAYS = heard(PIECES, {"▁a": 0.3, "▁ab": 0.3, "▁cd": 0.4}, {"b": 0.5, "": 0.5})


def test_the_most_probable_text_wins_over_the_most_probable_spelling():
    (best,) = decode(PIECES, TWO_WAYS, beam=20)
    assert best.text == "ab"
    assert best.score == pytest.approx(score_text(TWO_WAYS, "ab", PIECES), abs=1e-4)


def test_the_tokens_are_those_of_one_spelling():
    (best,) = decode(PIECES, TWO_WAYS, beam=20)
    assert [PIECES.symbols[token] for token in best.tokens] in (["▁ab"], ["▁a", "b"])


def test_every_text_is_listed_once_with_the_sum_of_its_spellings():
    found = decode(PIECES, TWO_WAYS, beam=50, nbest=6)
    assert len({h.text for h in found}) == len(found) == 6
    for hypothesis in found:
        assert hypothesis.score == pytest.approx(score_text(TWO_WAYS, hypothesis.text, PIECES), abs=1e-4)


def test_spellings_do_not_crowd_out_other_texts():
    word = [{"▁a": 0.5, "▁ab": 0.4, "▁c": 0.1}, {"b": 0.5, "": 0.5}]
    sounds = heard(PIECES, *word, *word, *word)
    texts = [h.text for h in decode(PIECES, sounds, beam=12, nbest=4)]
    assert len(set(texts)) == 4


@pytest.mark.parametrize("seed", range(5))
def test_a_wide_beam_gives_every_text_its_exact_score(seed):
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (5, len(PIECES)))
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    for hypothesis in decode(PIECES, log_probs, beam=20_000, nbest=10):
        assert hypothesis.score == pytest.approx(score_text(log_probs, hypothesis.text, PIECES), abs=1e-3)


def test_repeated_spaces_are_one():
    spaces = heard(
        CHARACTERS, {" ": 1.0}, {"a": 1.0}, {" ": 0.5, "": 0.5}, {"": 1.0}, {" ": 1.0}, {"b": 1.0}, {" ": 0.6, "": 0.4}
    )
    for beam in (2, 50):
        (best,) = decode(CHARACTERS, spaces, beam=beam)
        assert best.text == "a b"
        assert best.score == pytest.approx(score_text(spaces, "a b", CHARACTERS), abs=1e-4)
        assert np.exp(best.score) == pytest.approx(1.0, abs=1e-4)


def test_pieces_in_blocks_are_decoded_as_in_one():
    logits = np.random.default_rng(8).normal(0.0, 2.0, (40, len(PIECES)))
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)
    decoder = BeamDecoder(PIECES, 0.1, options=BeamOptions(beam=6, nbest=3))
    for size in (1, 7, 39):
        state = decoder.start()
        for first in range(0, 40, size):
            state = decoder.advance(state, log_probs[first : first + size])
        assert decoder.finish(state) == decoder.decode(log_probs)
