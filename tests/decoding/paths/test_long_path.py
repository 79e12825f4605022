"""The best path in little memory is the one that the search which remembers everything finds."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.paths.alignment import align_tokens, best_path
from asr.decoding.paths.long_path import MOST_BYTES, block_length, long_path
from asr.errors import DecodingError


def random_log_probs(frames, units, seed):
    values = np.random.default_rng(seed).gumbel(size=(frames, units)).astype(np.float32) * 2
    return values - np.log(np.exp(values).sum(1, keepdims=True))


@settings(deadline=None)  # the first one compiles
@given(st.integers(1, 40), st.lists(st.integers(1, 3), max_size=12), st.integers(1, 50), st.integers(0, 10**6))
def test_the_same_path_for_any_block(frames, tokens, block, seed):
    log_probs, ids = random_log_probs(frames, 4, seed), np.array(tokens, np.int32)
    spans, peaks, score = best_path(log_probs, ids)
    found_spans, found_peaks, found_score = long_path(log_probs, ids, block)
    assert found_score == score
    np.testing.assert_array_equal(found_spans, spans)
    np.testing.assert_array_equal(found_peaks, peaks)


def test_equal_scores_are_decided_alike():
    log_probs = np.full((30, 3), -np.log(3), np.float32)
    ids = np.array([1, 2, 2, 1], np.int32)
    for mine, theirs in zip(long_path(log_probs, ids, 4), best_path(log_probs, ids), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_a_text_that_does_not_fit_is_told(monkeypatch):
    monkeypatch.setattr("asr.decoding.paths.alignment.MOST_STEPS", 0)
    with pytest.raises(DecodingError, match="needs 3 frames and the audio gives 2"):
        align_tokens(random_log_probs(2, 3, 0), [1, 1])


def test_long_audio_takes_it(monkeypatch):
    log_probs, tokens = random_log_probs(60, 5, 1), [1, 2, 3, 4, 4, 1]
    spans, score = align_tokens(log_probs, tokens)
    monkeypatch.setattr("asr.decoding.paths.alignment.MOST_STEPS", 0)
    long_spans, long_score = align_tokens(log_probs, tokens)
    np.testing.assert_array_equal(long_spans, spans)
    assert long_score == score


@pytest.mark.parametrize(("frames", "length"), [(90_000, 60_000), (900_000, 500_000), (100, 20)])
def test_what_is_remembered_is_bounded(frames, length):
    block = block_length(frames, length)
    kept, steps = -(-frames // block) * 2 * (length + 2) * 8, 2 * block * (block + 1)
    assert kept <= MOST_BYTES + 16 * (length + 2)
    assert steps < MOST_BYTES or frames > 500_000
