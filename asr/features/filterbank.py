"""Log-mel filterbanks and MFCC as Kaldi computes them, in NumPy: the definition, and what a trained model works with.

`extractor.FeatureExtractor` does the same in batches for training, on any device; it takes its filters and windows
from here and agrees within 1e-5: both compute in float64 up to the logarithm, since in float32 the rounding of one
loud bin moves the logarithm of a quiet one by 1e-4, differently in every library.

Shapes: N samples, T frames, W samples in a window, R frames in a block, K Fourier bins, F features.
"""

from __future__ import annotations

import logging
import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from asr.config.sections import FeatureConfig
from asr.features.mel import FloatArray, cosine_transform, empty_filters, lifter_weights, mel_filters
from asr.seeding import generator_for

DoubleArray = NDArray[np.float64]
FULL_SCALE = 32768.0  # Kaldi reads 16-bit samples as they are; ours are -1..1
EPSILON = float(np.finfo(np.float32).eps)  # Kaldi's floor under every logarithm
# Frames are worked on in blocks of one fixed size. A block stays in the second-level cache, and, since every kernel
# always sees the same shape, a frame's result does not depend on how many others came with it.
BLOCK = 64


def frame_count(samples: int, config: FeatureConfig) -> int:
    """Number of frames that a wave of so many samples gives; 0 when it is shorter than one window."""
    if samples < config.window_samples:
        return 0
    if config.snip_edges:
        return 1 + (samples - config.window_samples) // config.shift_samples
    return (samples + config.shift_samples // 2) // config.shift_samples


def window_weights(kind: str, size: int) -> DoubleArray:
    """Symmetric window (W,): Hann, Hamming (0.54, 0.46), Hann to the power 0.85 as Povey chose it, or ones."""
    if kind == "rectangular":
        return np.ones(size)
    cosine = np.cos(2.0 * math.pi * np.arange(size) / (size - 1))
    if kind == "hamming":
        return np.asarray(0.54 - 0.46 * cosine)
    hann = 0.5 - 0.5 * cosine
    return np.asarray(hann if kind == "hanning" else hann**0.85)


class Constants:
    """What one configuration multiplies its frames with.

    Attributes:
        fft_size: points of the Fourier transform.
        filters: (K, F') mel filters.
        window: (W,) at Kaldi's scale of 16-bit samples; whatever comes before is linear.
        transform: (F', C) cosine transform.
        lifter: (C,).

    All float64; filters and transform from Kaldi's values in float32.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.fft_size = 1 << (config.window_samples - 1).bit_length()
        filters = mel_filters(config.mel_bins, self.fft_size, config.sample_rate, config.low_hz, config.highest_hz)
        if empty := empty_filters(filters):
            logging.getLogger("asr").warning(
                "features.mel_bins=%d: filters %s hold no Fourier bin at %d Hz and stay constant; use fewer mel bins",
                config.mel_bins,
                empty,
                config.sample_rate,
            )
        self.filters = filters.astype(np.float64)
        self.window = window_weights(config.window, config.window_samples) * FULL_SCALE
        cepstra = min(config.cepstra, config.mel_bins)
        self.transform = cosine_transform(config.mel_bins, cepstra).astype(np.float64)
        self.lifter = lifter_weights(cepstra, config.cepstral_lifter).astype(np.float64)
        if config.htk_compat:
            self.lifter[0] = 2.0**0.5  # HTK's cosine transform has no 1/sqrt(2) in its zeroth term


def dither_noise(frames: int, config: FeatureConfig) -> FloatArray:
    """Noise (T, W) for waves in -1..1; its first rows are the same for any number of frames."""
    generator = generator_for("dither", config.dither_seed)
    noise = generator.standard_normal((frames, config.window_samples), dtype=np.float32)
    return noise * np.float32(config.dither / FULL_SCALE)


class Filterbank:
    """Waves to features, equal to Kaldi's `compute-fbank-feats` and `compute-mfcc-feats` with the same options.

    Dither, where the configuration asks for it, is the same noise in every call: frame t gets draw t of `dither_seed`.
    """

    def __init__(self, config: FeatureConfig) -> None:
        self.config = config
        self.constants = Constants(config)

    def __call__(self, wave: np.ndarray) -> FloatArray:
        """Features (T, F) float32 of one wave (N,) float32 in -1..1; no frames where it is shorter than a window."""
        frames = frame_count(len(wave), self.config)
        if not frames:
            return np.empty((0, self.config.dimension), np.float32)
        wave = np.ascontiguousarray(wave, np.float32)
        return self.of_windows(wave if self.config.snip_edges else self.mirrored(wave, 0, frames), 0, frames)

    def mirrored(self, wave: FloatArray, begin: int, end: int) -> FloatArray:
        """The samples of frames `begin` to `end` where a wave, reflected at both ends, is cut without `snip_edges`.

        Frame t is centred on (t + 1/2) shifts; in what is returned, frame `begin` starts at sample 0.
        """
        config = self.config
        before = config.window_samples // 2 - config.shift_samples // 2
        total = (end - begin - 1) * config.shift_samples + config.window_samples
        period = 2 * len(wave)
        position = (np.arange(total) + begin * config.shift_samples - before) % period
        return wave[np.where(position < len(wave), position, period - 1 - position)]

    def of_windows(self, samples: FloatArray, first: int, frames: int) -> FloatArray:
        """Features (T, F) of frames that start at every shift of `samples`.

        Args:
            samples: (N,), of which frame t takes those from t * shift on.
            first: number of the first frame in its recording, for the dither.
            frames: T.
        """
        config = self.config
        windows = sliding_window_view(samples, config.window_samples)[:: config.shift_samples]
        features = np.empty((frames, config.dimension), np.float32)
        noise = dither_noise(first + frames, config)[first:] if config.dither else None
        block = np.zeros((BLOCK, config.window_samples))
        for at in range(0, frames, BLOCK):
            real = min(BLOCK, frames - at)
            block[:real], block[real:] = windows[at : at + real], 0.0
            if noise is not None:
                block[:real] += noise[at : at + real]
            features[at : at + real] = self._block(block)[:real]
        return features

    def _block(self, block: DoubleArray) -> DoubleArray:
        """Features (R, F) of frames (R, W); `block` is overwritten."""
        config, constants = self.config, self.constants
        if config.remove_dc_offset:
            block -= block.mean(1, keepdims=True)
        energy = _log_energy(block, config, FULL_SCALE) if config.use_energy and config.raw_energy else None
        if config.preemphasis:
            echo = block * config.preemphasis
            block[:, 1:] -= echo[:, :-1]
            block[:, :1] -= echo[:, :1]
        block *= constants.window
        if config.use_energy and energy is None:
            energy = _log_energy(block, config)
        spectrum = np.fft.rfft(block, n=constants.fft_size)[:, :-1]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        logs = np.log(np.maximum(power @ constants.filters, EPSILON))
        return self._columns(logs, energy)

    def _columns(self, logs: DoubleArray, energy: DoubleArray | None) -> DoubleArray:
        """Order of the features: Kaldi puts energy or the zeroth cepstrum first, HTK last."""
        config = self.config
        if config.kind == "fbank":
            if energy is None:
                return logs
            return np.concatenate([logs, energy] if config.htk_compat else [energy, logs], axis=1)
        cepstra = (logs @ self.constants.transform) * self.constants.lifter
        if energy is not None:
            cepstra[:, :1] = energy
        return np.roll(cepstra, -1, axis=1) if config.htk_compat else cepstra


def _log_energy(block: DoubleArray, config: FeatureConfig, scale: float = 1.0) -> DoubleArray:
    energy = np.square(block).sum(1, keepdims=True) * scale**2
    return np.log(np.maximum(energy, max(EPSILON, config.energy_floor)))
