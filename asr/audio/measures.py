"""What a recording sounds like in numbers: level, clipping, noise, bandwidth, silence. N: samples, in -1..1."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FRAME_SECONDS = 0.025
FLOOR_DB = -120.0  # what digital silence is called, dB below full scale
CLIPPED = 32767 / 32768  # the largest 16-bit sample
BAND_HZ = 250.0  # resolution of the bandwidth
BAND_RANGE_DB = 60.0  # a band this far below the strongest one is empty: speech stays within 55 dB up to 7 kHz
SPEECH_RANGE_DB = 30.0  # frames this far below the loud ones are silence
SILENT_DB = -65.0  # and so are all below this
WINDOW = 1024  # samples of a spectrum


@dataclass(frozen=True)
class SoundMeasures:
    """A recording in numbers; levels in dB below full scale, 0 being the loudest sine that fits.

    Attributes:
        seconds: of sound.
        peak_db: highest sample, at most 0.
        speech_db: level of the loud frames: the 90th percentile of 25 ms frames.
        noise_db: level between words: the 10th percentile.
        clipped_share: samples at full scale.
        offset: mean of the samples, 0 but for a faulty converter.
        bandwidth_hz: above it there is nothing.
        silence_share: frames without speech.
    """

    seconds: float
    peak_db: float
    speech_db: float
    noise_db: float
    clipped_share: float
    offset: float
    bandwidth_hz: float
    silence_share: float

    @property
    def snr_db(self) -> float:
        """Loud frames over quiet ones, dB; both hold the noise, so that this is an upper bound without pauses."""
        return self.speech_db - self.noise_db

    @property
    def speech_seconds(self) -> float:
        """Seconds that are no silence."""
        return self.seconds * (1.0 - self.silence_share)


def measure(samples: NDArray[np.floating], sample_rate: int) -> SoundMeasures:
    """Measure mono samples (N,) at a rate in Hz; nothing at all measures as silence."""
    if not len(samples):
        return SoundMeasures(0.0, FLOOR_DB, FLOOR_DB, FLOOR_DB, 0.0, 0.0, 0.0, 1.0)
    sound = np.asarray(samples, np.float32)
    offset = float(sound.mean(dtype=np.float64))
    levels = frame_levels(sound, sample_rate)
    speech, noise = (float(level) for level in np.percentile(levels, [90, 10]))
    size = np.abs(sound)
    return SoundMeasures(
        seconds=len(sound) / sample_rate,
        peak_db=decibels(float(size.max()) ** 2),
        speech_db=speech,
        noise_db=noise,
        clipped_share=float(np.count_nonzero(size >= CLIPPED)) / len(sound),
        offset=offset,
        bandwidth_hz=bandwidth(sound, sample_rate),
        silence_share=float(np.mean(levels < max(SILENT_DB, speech - SPEECH_RANGE_DB))),
    )


def frame_levels(sound: NDArray[np.float32], sample_rate: int) -> NDArray[np.float64]:
    """Level of each frame of 25 ms without its mean, dB below a sine at full scale."""
    size = max(1, min(len(sound), round(FRAME_SECONDS * sample_rate)))
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    power = frames.var(axis=1, dtype=np.float64)
    return 10 * np.log10(np.maximum(2 * power, 10 ** (FLOOR_DB / 10)))


def bandwidth(sound: NDArray[np.float32], sample_rate: int) -> float:
    """Upper edge in Hz of the highest band of 250 Hz that is not empty in the louder half of the recording; 0: none."""
    size = min(WINDOW, len(sound))
    frames = sound[: len(sound) // size * size].reshape(-1, size)
    power = np.zeros(size // 2 + 1)
    threshold = np.median(frames.var(axis=1))
    window = np.blackman(size).astype(np.float32)  # its side lobes lie below what is looked for
    for frame in frames:
        if frame.var() >= threshold:
            power += np.abs(np.fft.rfft((frame - frame.mean()) * window)) ** 2
    frequencies = np.fft.rfftfreq(size, 1 / sample_rate)
    bands = (frequencies // BAND_HZ).astype(int)
    strength = np.bincount(bands, power) / np.maximum(np.bincount(bands), 1)
    if not strength.max() > 0:
        return 0.0
    present = np.flatnonzero(strength > strength.max() * 10 ** (-BAND_RANGE_DB / 10))
    return float(min((present[-1] + 1) * BAND_HZ, sample_rate / 2))


def decibels(power: float) -> float:
    """10 log10 of a power, no lower than `FLOOR_DB`."""
    return max(FLOOR_DB, 10 * float(np.log10(max(power, 1e-30))))
