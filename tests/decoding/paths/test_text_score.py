"""The exact probability of a text equals the sum over every path of every spelling, counted one by one."""

import itertools

import numpy as np
import pytest

from asr.decoding.paths.alignment import score_tokens
from asr.decoding.paths.text_score import lattice, score_text
from asr.errors import DecodingError, UnitsError
from asr.units import BLANK_SYMBOL, Units

INVENTORIES = {
    "characters": Units("characters", [BLANK_SYMBOL, " ", "a", "b"]),
    "sounds": Units("characters", [BLANK_SYMBOL, "x", "y"]),
    "pieces": Units("bpe", [BLANK_SYMBOL, "▁a", "▁b", "b", "bb"], b"unused"),
    "pieces with a lone marker": Units("bpe", [BLANK_SYMBOL, "▁", "▁a", "▁ab", "b"], b"unused"),
    "words": Units("words", [BLANK_SYMBOL, "<unk>", "one", "two"]),
}


def random_log_probs(frames: int, size: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 1.5, (frames, size))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def probability_of_every_text(log_probs: np.ndarray, units: Units) -> dict[str, float]:
    found: dict[str, float] = {}
    for path in itertools.product(range(len(units)), repeat=len(log_probs)):
        text = units.decode(unit for unit, _ in itertools.groupby(path) if unit)
        found[text] = found.get(text, 0.0) + np.exp(sum(log_probs[t, unit] for t, unit in enumerate(path)))
    return found


@pytest.mark.parametrize("kind", INVENTORIES)
@pytest.mark.parametrize("frames", [1, 2, 5])
def test_all_paths_of_all_spellings_are_summed(kind, frames):
    units = INVENTORIES[kind]
    log_probs = random_log_probs(frames, len(units), frames)
    found = probability_of_every_text(log_probs, units)
    assert sum(found.values()) == pytest.approx(1.0)
    assert len(found) > frames
    for text, expected in found.items():
        assert np.exp(score_text(log_probs, text, units)) == pytest.approx(expected), text


def test_no_spelling_is_more_probable_than_the_text():
    units = INVENTORIES["pieces"]
    log_probs = random_log_probs(6, len(units), 1)
    spellings = [[1, 3, 3], [1, 4]]  # "▁a b b" and "▁a bb"
    assert score_text(log_probs, "abb", units) > max(score_tokens(log_probs, tokens) for tokens in spellings)


def test_a_text_with_one_spelling_has_the_score_of_its_units():
    units = INVENTORIES["sounds"]
    log_probs = random_log_probs(9, len(units), 2)
    assert score_text(log_probs, "xyyx", units) == pytest.approx(score_tokens(log_probs, [1, 2, 2, 1]), abs=1e-5)


def test_long_utterances_do_not_underflow():
    units = INVENTORIES["characters"]
    log_probs = random_log_probs(5000, len(units), 3)
    assert -20_000.0 < score_text(log_probs, "a b", units) < -1000.0


def test_a_text_too_long_for_its_frames_is_impossible():
    units = INVENTORIES["characters"]
    assert score_text(random_log_probs(3, len(units), 4), "abab", units) == -np.inf


def test_the_lattice_of_a_text_holds_every_cut():
    nodes, arcs = lattice("abb", INVENTORIES["pieces"])
    assert nodes == 5
    assert set(arcs) == {(0, 2, 1), (2, 3, 3), (3, 4, 3), (2, 4, 4)}


@pytest.mark.parametrize("kind", ["characters", "pieces"])
def test_what_cannot_be_spelled_or_scored_is_named(kind):
    units = INVENTORIES[kind]
    with pytest.raises(UnitsError, match="zz"):
        score_text(random_log_probs(4, len(units), 5), "zz", units)
    with pytest.raises(DecodingError):
        score_text(np.zeros((4, len(units))), "a", units)
