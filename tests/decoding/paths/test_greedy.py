"""Greedy decoding: hand-built posteriors with a known reading, times and errors."""

import numpy as np
import pytest

from asr.decoding.paths.greedy import GreedyDecoder, collapse
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])


def peaky(path: list[int], size: int, peak: float = 0.9) -> np.ndarray:
    """(T, V) log-probabilities whose best path is `path`, each frame with probability `peak`."""
    probs = np.full((len(path), size), (1 - peak) / (size - 1), dtype=np.float32)
    probs[np.arange(len(path)), path] = peak
    return np.log(probs)


def test_repeats_merge_and_a_blank_keeps_two_letters_apart():
    (best,) = GreedyDecoder(CHARACTERS, 0.04).decode(peaky([0, 2, 2, 0, 2, 3, 1, 3, 0], 4))
    assert best.text == "aab b"
    assert best.tokens == [2, 2, 3, 1, 3]


def test_words_carry_seconds_of_their_first_and_last_unit():
    (best,) = GreedyDecoder(CHARACTERS, 0.04).decode(peaky([0, 2, 2, 0, 2, 3, 1, 3, 0], 4))
    assert [(word.text, round(word.start, 6), round(word.end, 6)) for word in best.words] == [
        ("aab", 0.04, 0.24),
        ("b", 0.28, 0.32),
    ]


def test_score_is_the_probability_of_the_best_path_and_confidence_its_peaks():
    (best,) = GreedyDecoder(CHARACTERS, 0.04).decode(peaky([2, 0, 3], 4, peak=0.7))
    assert best.score == pytest.approx(3 * np.log(0.7), rel=1e-6)
    assert best.words[0].confidence == pytest.approx(0.7, rel=1e-6)


def test_word_units_make_each_unit_a_word():
    units = Units("words", [BLANK_SYMBOL, "<unk>", "one", "two"])
    (best,) = GreedyDecoder(units, 0.02).decode(peaky([2, 3, 0, 3], 4))
    assert best.text == "one two two"
    assert [word.text for word in best.words] == ["one", "two", "two"]


@pytest.mark.parametrize("frames", [0, 5])
def test_silence_reads_as_nothing(frames):
    (best,) = GreedyDecoder(CHARACTERS, 0.04).decode(peaky([0] * frames, 4))
    assert (best.text, best.words, best.tokens) == ("", [], [])


def test_collapse_of_runs():
    tokens, frames = collapse(np.array([1, 1, 0, 1, 2, 2, 0]))
    assert tokens == [1, 1, 2]
    assert frames.tolist() == [[0, 2], [3, 4], [4, 6]]


@pytest.mark.parametrize(
    ("log_probs", "reason"),
    [
        (np.zeros((3, 5), np.float32), "shape"),
        (np.zeros(4, np.float32), "shape"),
        (np.zeros((3, 4), np.float32), "sums to 4"),
        (np.full((3, 4), np.nan, np.float32), "NaN"),
        (np.zeros((3, 4), np.int64), "floating-point"),
    ],
)
def test_bad_input_is_an_error_that_says_why(log_probs, reason):
    with pytest.raises(DecodingError, match=reason):
        GreedyDecoder(CHARACTERS, 0.04).decode(log_probs)
