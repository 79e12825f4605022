"""Changes to waves that training may make: speed, gain, noise, padding, diffuse reverberation, telephone band.

Every function is pure: the same wave, the same settings and the same generator give the same samples.

Shapes: N samples.
"""

from __future__ import annotations

import numpy as np


def perturb_speed(wave: np.ndarray, speed: float) -> np.ndarray:
    """Play a wave faster or slower, which moves tempo, pitch and formants together (Ko et al., Interspeech 2015).

    Resampled by soxr at its highest quality but one, with its anti-aliasing filter.

    Args:
        wave: (N,) float32.
        speed: above 1 is faster; the result has about N / speed samples.
    """
    if speed == 1.0:
        return wave
    import soxr  # type: ignore[import-untyped]

    # Only the ratio counts; whole numbers keep it exact for speeds given in thousandths.
    faster: np.ndarray = soxr.resample(wave, round(speed * 1000), 1000, quality="HQ")
    return faster


def change_gain(wave: np.ndarray, gain_db: float) -> np.ndarray:
    """Scale a wave (N,) float32 by a gain in decibels; beyond full scale nothing is clipped, as nothing is stored."""
    return wave * np.float32(10.0 ** (gain_db / 20.0))


def add_noise(wave: np.ndarray, noise: np.ndarray, snr_db: float, generator: np.random.Generator) -> np.ndarray:
    """Add noise at a signal-to-noise ratio of mean powers over the utterance.

    Args:
        wave: (N,) speech.
        noise: (M,) any length; a random stretch is taken, and the noise repeated where it is shorter than the wave.
            Digital silence at the beginning of the stretch is passed over.
        snr_db: 10 log10 of the power of the wave over that of the noise.
        generator: draws where the stretch starts.

    Returns:
        (N,) float32; the wave itself when either is silent.
    """
    sounding = np.flatnonzero(noise)
    if len(sounding) == 0 or len(wave) == 0:
        return wave
    start = int(generator.integers(len(noise)))
    start = int(sounding[np.searchsorted(sounding, start) % len(sounding)])
    stretch = np.take(noise, np.arange(start, start + len(wave)), mode="wrap").astype(np.float64)
    speech_power = np.mean(np.square(wave, dtype=np.float64))
    noise_power = np.mean(np.square(stretch))
    if speech_power == 0.0 or noise_power == 0.0:
        return wave
    factor = np.sqrt(speech_power / noise_power / 10.0 ** (snr_db / 10.0))
    return (wave + factor * stretch).astype(np.float32)


def faint_noise(samples: int, level_db: float, generator: np.random.Generator) -> np.ndarray:
    """White noise (N,) float32 of a mean power in dB of full scale (1.0); -inf is digital silence."""
    return (10.0 ** (level_db / 20.0) * generator.standard_normal(samples)).astype(np.float32)


def room_response(sample_rate: int, seconds: float, generator: np.random.Generator) -> np.ndarray:
    """Impulse response of an imagined room: the direct sound, then Gaussian noise that decays exponentially.

    This is the statistical model of a room's diffuse tail (Polack 1988): there is no geometry, and early reflections
    are part of the tail; `asr.features.augmentation.room` has both. The direct sound carries one half to nine tenths
    of the energy.

    Args:
        sample_rate: Hz.
        seconds: reverberation time, in which the tail falls by 60 dB.
        generator: draws the tail and the direct share.

    Returns:
        (M,) float32 of unit energy, with the direct sound at its first sample.
    """
    time = np.arange(1, max(2, round(seconds * sample_rate))) / sample_rate
    tail = generator.standard_normal(len(time)) * 10.0 ** (-3.0 * time / seconds)
    direct = generator.uniform(0.5, 0.9)
    tail *= np.sqrt((1.0 - direct) / np.sum(np.square(tail)))
    return np.concatenate([[np.sqrt(direct)], tail]).astype(np.float32)


def reverberate(wave: np.ndarray, response: np.ndarray) -> np.ndarray:
    """Convolve a wave (N,) with an impulse response (M,); the tail beyond N samples is cut, so times stay."""
    return _convolve(wave, response)[: len(wave)]


def limit_band(
    wave: np.ndarray, sample_rate: int, low_hz: float = 300.0, high_hz: float = 3400.0, taps: int = 255
) -> np.ndarray:
    """Keep a band, the telephone's by default, with a Hamming-windowed sinc filter of linear phase and no delay.

    Args:
        wave: (N,) float32.
        sample_rate: Hz.
        low_hz: lower edge, where the response is -6 dB.
        high_hz: upper edge; at or above half the sample rate nothing is cut at the top.
        taps: odd length of the filter; the edges are 3.3 * sample_rate / taps wide.

    Returns:
        (N,) float32.
    """
    place = np.arange(taps) - taps // 2
    high = min(high_hz / sample_rate, 0.5)
    low = low_hz / sample_rate
    kernel = (2 * high * np.sinc(2 * high * place) - 2 * low * np.sinc(2 * low * place)) * np.hamming(taps)
    return _convolve(wave, kernel)[taps // 2 : taps // 2 + len(wave)]


def _convolve(wave: np.ndarray, kernel: np.ndarray) -> np.ndarray:
    """Full linear convolution (N + M - 1,) float32 through the Fourier transform."""
    length = len(wave) + len(kernel) - 1
    if len(wave) == 0:
        return wave
    size = 1 << (length - 1).bit_length()
    product = np.fft.rfft(wave, size) * np.fft.rfft(kernel, size)
    return np.fft.irfft(product, size)[:length].astype(np.float32)
