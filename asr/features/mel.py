"""Triangular filters on the mel scale and the cosine transform, by Kaldi's formulas.

Shapes: F mel bins, K bins of the Fourier transform, C cepstra.
"""

from __future__ import annotations

import math

import torch


def mel_of(hertz: float) -> float:
    """Mel scale as HTK and Kaldi define it: 1127 ln(1 + f/700)."""
    return 1127.0 * math.log(1.0 + hertz / 700.0)


def mel_filters(bins: int, fft_size: int, sample_rate: int, low_hz: float, high_hz: float) -> torch.Tensor:
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
    width = (high - low) / (bins + 1)
    edge = torch.arange(bins, dtype=torch.float32)
    left, centre, right = low + edge * width, low + (edge + 1.0) * width, low + (edge + 2.0) * width
    hertz = (sample_rate / fft_size) * torch.arange(fft_size // 2, dtype=torch.float32)
    mel = (1127.0 * torch.log(1.0 + hertz / 700.0)).unsqueeze(1)
    rising = (mel - left) / (centre - left)
    falling = (right - mel) / (right - centre)
    return torch.minimum(rising, falling).clamp_(min=0.0)


def empty_filters(filters: torch.Tensor) -> list[int]:
    """Indices of filters (K, F) that no Fourier bin falls into; their feature is constant."""
    return torch.nonzero(filters.sum(0) == 0).flatten().tolist()


def cosine_transform(bins: int, cepstra: int) -> torch.Tensor:
    """Orthonormal DCT-II of log filter outputs.

    Float32 throughout, as torchaudio: the cosine's argument reaches hundreds, and its rounding shows in a cepstrum.

    Args:
        bins: F.
        cepstra: C, at most F.

    Returns:
        (F, C) float32.
    """
    order = torch.arange(cepstra, dtype=torch.float32)
    position = torch.arange(bins, dtype=torch.float32).unsqueeze(1) + 0.5
    transform = torch.cos(math.pi / bins * position * order) * math.sqrt(2.0 / bins)
    transform[:, 0] = math.sqrt(1.0 / bins)
    return transform


def lifter_weights(cepstra: int, lifter: float) -> torch.Tensor:
    """HTK's sine lifter 1 + Q/2 sin(pi c / Q) for each cepstrum (C,); Q = 0 is ones."""
    if lifter == 0.0:
        return torch.ones(cepstra)
    return 1.0 + 0.5 * lifter * torch.sin(math.pi * torch.arange(cepstra) / lifter)
