"""Triangular filters on the mel scale and the cosine transform, by Kaldi's formulas.

Shapes: F mel bins, K bins of the Fourier transform, C cepstra.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float32]


def mel_of(hertz: float) -> float:
    """Mel scale as HTK and Kaldi define it: 1127 ln(1 + f/700)."""
    return 1127.0 * math.log(1.0 + hertz / 700.0)


def mel_filters(bins: int, fft_size: int, sample_rate: int, low_hz: float, high_hz: float) -> FloatArray:
    """Weights of overlapping triangles, equally wide in mel, as `MelBanks` in Kaldi's `mel-computations.cc`.

    The triangles are straight in mel, not in hertz, and their peak is 1. Computed in float32 in Kaldi's order: where a
    filter is narrower than a Fourier bin, a weight near zero carries rounding that shows in the logarithm.

    Args:
        bins: number of filters F.
        fft_size: points of the Fourier transform, even.
        sample_rate: Hz.
        low_hz: where the first triangle starts.
        high_hz: where the last one ends, at most half the sample rate.

    Returns:
        (K, F) float32 with K = fft_size / 2; the bin at the Nyquist frequency has no weight and is left out.
    """
    low, high = mel_of(low_hz), mel_of(high_hz)
    width = np.float32((high - low) / (bins + 1))
    edge = np.arange(bins, dtype=np.float32)
    one, two, start = np.float32(1.0), np.float32(2.0), np.float32(low)
    left, centre, right = start + edge * width, start + (edge + one) * width, start + (edge + two) * width
    hertz = np.float32(sample_rate / fft_size) * np.arange(fft_size // 2, dtype=np.float32)
    # In float64, since NumPy's logarithm of a float32 is not the nearest one.
    logs = np.log((one + hertz / np.float32(700.0)).astype(np.float64)).astype(
        np.float32
    )  # NumPy's own is not the nearest
    mel = (np.float32(1127.0) * logs)[:, None]
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    return np.maximum(np.minimum(rising, falling), np.float32(0.0))


def empty_filters(filters: FloatArray) -> list[int]:
    """Indices of filters (K, F) that no Fourier bin falls into; their feature is constant."""
    return np.flatnonzero(filters.sum(0) == 0).tolist()


def cosine_transform(bins: int, cepstra: int) -> FloatArray:
    """Orthonormal DCT-II of log filter outputs.

    Float32 throughout, as torchaudio: the cosine's argument reaches hundreds, and its rounding shows in a cepstrum.

    Args:
        bins: F.
        cepstra: C, at most F.

    Returns:
        (F, C) float32.
    """
    order = np.arange(cepstra, dtype=np.float32)
    position = np.arange(bins, dtype=np.float32)[:, None] + np.float32(0.5)
    transform = np.cos(np.float32(math.pi / bins) * position * order) * np.float32(math.sqrt(2.0 / bins))
    transform[:, 0] = math.sqrt(1.0 / bins)
    return transform


def lifter_weights(cepstra: int, lifter: float) -> FloatArray:
    """HTK's sine lifter 1 + Q/2 sin(pi c / Q) for each cepstrum (C,); Q = 0 is ones."""
    if lifter == 0.0:
        return np.ones(cepstra, np.float32)
    order = np.arange(cepstra, dtype=np.float32)
    return np.float32(1.0) + np.float32(0.5 * lifter) * np.sin(np.float32(math.pi) * order / np.float32(lifter))
