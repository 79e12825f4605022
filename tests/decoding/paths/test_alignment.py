"""Forced alignment and text scores against torchaudio, torch's CTC loss and sums over all paths."""

import itertools

import numpy as np
import pytest
import torch

from asr.decoding.paths.alignment import align_text, align_tokens, place_tokens, score_tokens
from asr.errors import DecodingError, UnitsError
from asr.units import BLANK_SYMBOL, Units, required_frames

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])


def random_log_probs(frames: int, size: int, seed: int) -> np.ndarray:
    logits = np.random.default_rng(seed).normal(0.0, 2.0, (frames, size))
    return (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)


def random_tokens(frames: int, size: int, seed: int) -> list[int]:
    rng = np.random.default_rng(seed + 1000)
    tokens = rng.integers(1, size, rng.integers(1, frames + 1)).tolist()
    while required_frames(tokens) > frames:
        tokens.pop()
    return tokens


@pytest.mark.parametrize("seed", range(30))
def test_path_is_torchaudios(seed):
    from torchaudio.functional import forced_align

    log_probs, tokens = random_log_probs(40, 6, seed), random_tokens(40, 6, seed)
    path, scores = forced_align(torch.tensor(log_probs)[None], torch.tensor([tokens], dtype=torch.int32), blank=0)
    frames, score = align_tokens(log_probs, tokens)
    assert score == pytest.approx(float(scores.sum()), abs=1e-3)
    ours = np.zeros(40, np.int64)
    for token, (first, end) in zip(tokens, frames, strict=True):
        ours[first:end] = token
    assert ours.tolist() == path[0].tolist()


@pytest.mark.parametrize("seed", range(30))
def test_score_of_a_text_is_minus_torchs_loss(seed):
    log_probs, tokens = random_log_probs(50, 7, seed), random_tokens(30, 7, seed)
    loss = torch.nn.functional.ctc_loss(
        torch.tensor(log_probs, dtype=torch.float64)[:, None], torch.tensor([tokens]), torch.tensor([50]),
        torch.tensor([len(tokens)]), reduction="sum",
    )  # fmt: skip
    assert score_tokens(log_probs, tokens) == pytest.approx(-float(loss), abs=1e-4)


@pytest.mark.parametrize("tokens", [[], [1], [1, 1], [2, 1], [1, 2, 1], [3, 3, 3]])
def test_score_sums_all_paths(tokens):
    log_probs = random_log_probs(5, 4, 3)
    paths = [p for p in itertools.product(range(4), repeat=5) if [u for u, _ in itertools.groupby(p) if u] == tokens]
    total = np.logaddexp.reduce([log_probs[range(5), path].sum() for path in paths])
    assert score_tokens(log_probs, tokens) == pytest.approx(float(total), abs=1e-5)


@pytest.mark.parametrize("tokens", [[], [1], [1, 1], [2, 1], [1, 2, 1], [3, 3, 3]])
@pytest.mark.parametrize("seed", range(5))
def test_the_path_is_the_best_of_all(tokens, seed):
    log_probs = random_log_probs(6, 4, seed)
    paths = [p for p in itertools.product(range(4), repeat=6) if [u for u, _ in itertools.groupby(p) if u] == tokens]
    best = max(paths, key=lambda path: log_probs[range(6), path].sum())
    frames, peaks, score = place_tokens(log_probs, tokens)
    assert score == pytest.approx(float(log_probs[range(6), best].sum()), abs=1e-5)
    ours = [0] * 6
    for token, (first, end) in zip(tokens, frames, strict=True):
        ours[first:end] = [token] * (end - first)
    assert ours == list(best)
    assert peaks.tolist() == [
        log_probs[first:end, token].max() for token, (first, end) in zip(tokens, frames, strict=True)
    ]


def test_an_unlikely_text_does_not_underflow():
    log_probs = np.log(np.full((2000, 4), [1.0 - 3e-9, 1e-9, 1e-9, 1e-9])).astype(np.float32)
    score = score_tokens(log_probs, [1, 2] * 300)
    assert -600 * 20.8 < score < -600 * 13.0


def test_words_get_seconds():
    path = [0, 2, 2, 1, 0, 3, 3, 0]
    probs = np.full((8, 4), 0.01)
    probs[np.arange(8), path] = 0.97
    found = align_text(np.log(probs).astype(np.float32), " a   b", CHARACTERS, 0.1)
    assert [(w.text, round(w.start, 6), round(w.end, 6)) for w in found.words] == [("a", 0.1, 0.3), ("b", 0.5, 0.7)]
    assert found.path_score == pytest.approx(8 * np.log(0.97), abs=1e-5)
    assert found.path_score < found.text_score < 0.0
    assert [span.unit for span in found.spans] == [2, 1, 3]


def test_no_text_and_no_frames():
    frames, score = align_tokens(random_log_probs(5, 4, 0), [])
    assert frames.shape == (0, 2)
    assert score == pytest.approx(float(random_log_probs(5, 4, 0)[:, 0].sum()), abs=1e-5)
    assert align_tokens(np.empty((0, 4), np.float32), [])[1] == 0.0
    assert score_tokens(np.empty((0, 4), np.float32), [1]) == -np.inf


def test_what_cannot_be_aligned_is_named():
    with pytest.raises(DecodingError, match="utt7: needs 6 frames and the audio gives 4"):
        align_text(random_log_probs(4, 4, 0), "aabb", CHARACTERS, 0.1, "utt7")
    with pytest.raises(UnitsError, match="'z'"):
        align_text(random_log_probs(4, 4, 0), "z", CHARACTERS, 0.1)
    with np.errstate(divide="ignore"):
        impossible = np.log(np.tile([1.0, 0.0, 0.0, 0.0], (6, 1))).astype(np.float32)
    with pytest.raises(DecodingError, match="probability 0"):
        align_text(impossible, "ab", CHARACTERS, 0.1)


def test_audio_without_frames_fits_no_text():
    with pytest.raises(DecodingError, match="utt8: needs 1 frames and the audio gives 0"):
        align_tokens(np.empty((0, 4), np.float32), [1], "utt8")


@pytest.mark.gpu
def test_path_is_torchaudios_on_the_gpu():
    from torchaudio.functional import forced_align

    log_probs, tokens = random_log_probs(400, 30, 1), random_tokens(100, 30, 1)
    _, scores = forced_align(torch.tensor(log_probs).cuda()[None], torch.tensor([tokens]).int().cuda(), blank=0)
    assert align_tokens(log_probs, tokens)[1] == pytest.approx(float(scores.sum()), abs=1e-2)


@pytest.mark.parametrize("text", ["five zero", "FIVE HELLO", "HELLO"])
def test_words_without_a_unit_are_refused_and_named(text):
    """The unknown unit would get times, and the CTM a word <unk>, for a text that the model cannot spell."""
    units = Units("words", [BLANK_SYMBOL, "<unk>", "FIVE", "ZERO"])
    with pytest.raises(UnitsError, match=r"utt-1: holds '(five|HELLO)'"):
        align_text(random_log_probs(9, 4, 0), text, units, 0.04, "utt-1")
