"""Whole recordings and spans of them as arrays, and writing what the program makes itself.

Shapes: N samples of one channel; times in seconds, sample counts only in here.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.audio.opening import Source, open_sound
from asr.audio.stream import FULL_SCALE, count_frames, notice_resampling, open_stream, warn_of_clipping
from asr.errors import AudioError
from asr.files import atomic_write

MAX_SECONDS = 4 * 3600.0  # 25 MiB of FLAC can hold 154 h of silence: the length is capped before decoding
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)


@dataclass(frozen=True, slots=True)
class AudioInfo:
    """What a recording is, without decoding it.

    Attributes:
        sample_rate: Hz.
        channels: number of channels.
        frames: samples of one channel; -1 when the file does not say (FLAC written into a pipe).
        duration: seconds; infinite when the file does not say.
    """

    sample_rate: int
    channels: int
    frames: int
    duration: float


def audio_info(source: Source) -> AudioInfo:
    """Look at a recording's header.

    Raises:
        AudioError: missing, unreadable or not audio.
    """
    with open_sound(source) as opened:
        sound = opened.sound
        if sound.frames < 0:
            return AudioInfo(sound.sample_rate, sound.channels, -1, float("inf"))
        return AudioInfo(sound.sample_rate, sound.channels, sound.frames, sound.frames / sound.sample_rate)


def audio_duration(source: Source) -> float:
    """Seconds of a recording, counted by decoding it where it does not state them.

    Raises:
        AudioError: missing, unreadable or not audio.
    """
    with open_sound(source) as opened:
        sound = opened.sound
        return (sound.frames if sound.frames >= 0 else count_frames(sound)) / sound.sample_rate


def read_audio(
    source: Source,
    *,
    sample_rate: int,
    start: float = 0.0,
    duration: float | None = None,
    channel: int | None = None,
    strict: bool = False,
    max_seconds: float = MAX_SECONDS,
    on_clipping: Callable[[str, float], None] = warn_of_clipping,
) -> np.ndarray:
    """Read a recording or a span of it as mono.

    Args:
        source: path, or a binary file object (one that cannot seek is copied first).
        sample_rate: Hz of the result; another rate is resampled with soxr at high quality.
        start: where to begin, in seconds.
        duration: seconds to read; None reads to the end.
        channel: which channel, counted from 0; None averages all.
        strict: whether a cut or damaged file is an error rather than a warning.
        max_seconds: longest span accepted; a longer one is refused before decoding.
        on_clipping: told the name of a clipped recording and the share of its samples at full scale.

    Returns:
        float32 (N,) in -1..1; empty, with a warning, for a file without samples.

    Raises:
        AudioError: unreadable, no such span or channel, non-finite samples, too long, or cut while `strict`.
    """
    with open_stream(
        source,
        sample_rate=sample_rate,
        channel="mix" if channel is None else channel,
        start=start,
        end=None if duration is None else start + duration,
        strict=strict,
        max_seconds=max_seconds,
        on_clipping=on_clipping,
    ) as stream:
        blocks = list(stream)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Samples (N,) at another rate (Hz), float32 limited to -1..1; soxr's "HQ" filter (20-bit, linear phase)."""
    if from_rate != to_rate and len(samples):
        import soxr  # type: ignore[import-untyped]

        notice_resampling(from_rate, to_rate)
        samples = soxr.resample(samples, from_rate, to_rate, quality="HQ")
    return np.clip(samples, -1.0, 1.0, dtype=np.float32)


def encode_audio(samples: np.ndarray, sample_rate: int, container: str) -> bytes:
    """Mono samples (N,) in -1..1 as 16-bit audio of a container: "WAV", "FLAC", or, lossy, "OPUS" in Ogg.

    What was read from 16-bit audio is written back as it was: both count in steps of 1 / 32768.
    Same samples, same bytes, but for Opus, whose streams carry a random number.

    Raises:
        AudioError: Opus at another rate than 8, 12, 16, 24 or 48 kHz.
    """
    import soundfile

    opus = container == "OPUS"
    if opus and sample_rate not in OPUS_RATES:
        raise AudioError(f"{sample_rate} Hz", "is no sample rate of Opus", f"choose from {OPUS_RATES}, or FLAC")
    whole = np.round(np.clip(samples, -1.0, FULL_SCALE) * 32768).astype(np.int16)
    # Through a descriptor, as in FileSound: an interrupt inside soundfile's callbacks would be lost, with its bytes.
    with tempfile.TemporaryFile(buffering=0) as stream:
        kind = {"format": "OGG", "subtype": "OPUS"} if opus else {"format": container, "subtype": "PCM_16"}
        options = {"mode": "w", **kind, "closefd": False}
        with soundfile.SoundFile(stream.fileno(), samplerate=sample_rate, channels=1, **options) as sound:
            sound.write(whole)
        stream.seek(0)
        return stream.read()


def write_audio(path: str | Path, samples: np.ndarray, sample_rate: int) -> None:
    """Write mono samples (N,) in -1..1 as 16-bit audio; the suffix (.wav or .flac) names the container."""
    with atomic_write(path, "wb") as stream:
        stream.write(encode_audio(samples, sample_rate, Path(path).suffix.lstrip(".").upper()))
