"""Mel filters and cosine transform against torchaudio's port of Kaldi, and by their own properties."""

import numpy as np
import pytest

from asr.features.mel import cosine_transform, empty_filters, lifter_weights, mel_filters, mel_of


def test_1000_hz_is_1000_mel():
    assert mel_of(1000.0) == pytest.approx(1000.0, abs=0.05)
    assert mel_of(0.0) == 0.0


@pytest.mark.parametrize(
    ("bins", "fft_size", "rate", "low", "high"),
    [(80, 512, 16000, 20.0, 8000.0), (23, 256, 8000, 100.0, 3800.0), (128, 2048, 48000, 0.0, 24000.0)],
)
def test_filters_against_torchaudio(bins, fft_size, rate, low, high):
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi")
    expected, _ = kaldi.get_mel_banks(bins, fft_size, rate, low, high, 100.0, -500.0, 1.0)
    np.testing.assert_allclose(mel_filters(bins, fft_size, rate, low, high), expected.T.numpy(), atol=1e-5, rtol=0)


def test_neighbouring_triangles_add_up_to_one_between_the_first_and_the_last_centre():
    total = mel_filters(40, 1024, 16000, 0.0, 8000.0).sum(1)
    width = mel_of(8000.0) / 41
    mel = np.array([mel_of(k * 16000 / 1024) for k in range(512)])
    inside = (mel > width) & (mel < 40 * width)
    np.testing.assert_allclose(total[inside], 1.0, atol=1e-4, rtol=0)


def test_filters_too_narrow_for_the_transform_are_found():
    assert empty_filters(mel_filters(80, 512, 16000, 20.0, 8000.0)) == []
    filters = mel_filters(200, 256, 8000, 20.0, 4000.0)
    silent = [column for column in range(200) if not filters[:, column].any()]
    assert len(silent) > 20 and empty_filters(filters) == silent


def test_full_cosine_transform_is_orthonormal():
    transform = cosine_transform(23, 23)
    np.testing.assert_allclose(transform.T @ transform, np.eye(23), atol=1e-5, rtol=0)


def test_cosine_transform_against_scipy_with_lifter():
    fft = pytest.importorskip("scipy.fft")
    logs = np.random.default_rng(0).normal(size=(5, 30))
    lifter = 1.0 + 11.0 * np.sin(np.pi * np.arange(13) / 22.0)
    expected = fft.dct(logs, type=2, norm="ortho")[:, :13] * lifter
    ours = logs.astype(np.float32) @ cosine_transform(30, 13) * lifter_weights(13, 22.0)
    np.testing.assert_allclose(ours, expected, atol=1e-4)


def test_no_lifter_is_ones():
    assert lifter_weights(13, 0.0).tolist() == [1.0] * 13
