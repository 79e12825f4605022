"""The only place that opens audio: read, check, mix down, resample, limit; and write what the program makes itself.

Shapes: N samples of one channel; times in seconds, sample counts only in here.
"""

from __future__ import annotations

import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from asr.audio.header import HeaderPromise, read_promise
from asr.errors import AudioError
from asr.files import atomic_write

log = logging.getLogger("asr")

MAX_SECONDS = 4 * 3600.0  # 25 MiB of FLAC can hold 154 h of silence: the length is capped before decoding
LOWEST_RATE, HIGHEST_RATE = 1000, 768_000  # Hz; a rate outside is a broken header
OPUS_RATES = (8000, 12000, 16000, 24000, 48000)
BLOCK_FRAMES = 4096  # decoded at once; a damaged file keeps all blocks before the damage
FULL_SCALE = 32767 / 32768  # the largest positive sample of 16-bit audio
CLIPPED_SHARE = 1e-3  # this share of samples at full scale is worth a warning
SPAN_TOLERANCE = 0.05  # seconds an utterance may pass the end of its recording before it counts as cut
CONVERT = "convert it, for example: ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav"

Source = str | os.PathLike[str] | BinaryIO


def warn_of_clipping(name: str, share: float) -> None:
    """What is done about a clipped recording unless the caller of `read_audio` says otherwise."""
    log.warning("%s: %.2f %% of the samples are clipped", name, 100 * share)


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
    with _open(source) as (sound, _, _):
        return _info(sound)


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
        source: path, or a binary file object (one that cannot seek is read whole first).
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
    with _open(source) as (sound, promise, name):
        info = _info(sound)
        if channel is not None and not 0 <= channel < info.channels:
            raise AudioError(name, f"has no channel {channel}", f"choose from 0 to {info.channels - 1}")
        _check_cut(name, promise.frames, info.frames, info.sample_rate, strict)
        begin, frames = _span(name, info, start, duration, max_seconds, strict)
        samples = _decode(sound, name, begin, frames, channel, strict)
        if len(samples) > max_seconds * info.sample_rate:
            raise _too_long(name, len(samples) / info.sample_rate, max_seconds)
        if info.frames >= 0:
            _check_cut(name, frames, len(samples), info.sample_rate, strict)
    if not len(samples):
        log.warning("%s: holds no samples; its text will be empty", name)
    _check_levels(name, samples, start, info.sample_rate, on_clipping)
    return resample(samples, info.sample_rate, sample_rate)


def resample(samples: np.ndarray, from_rate: int, to_rate: int) -> np.ndarray:
    """Samples (N,) at another rate (Hz), float32 limited to -1..1; soxr's "HQ" filter (20-bit, linear phase)."""
    if from_rate != to_rate and len(samples):
        import soxr  # type: ignore[import-untyped]

        _notice_resampling(from_rate, to_rate)
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
    # Through a descriptor, as in _sound_of: an interrupt inside soundfile's callbacks would be lost, with its bytes.
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


@contextmanager
def _open(source: Source) -> Iterator[tuple[Any, HeaderPromise, str]]:
    """Yield soundfile's open recording, what its header promises and the name to use in messages."""
    import soundfile

    stream, name = _binary(source)
    try:
        if not stream.seek(0, 2):
            raise AudioError(name, "is an empty file", "record or copy it again")
        stream.seek(0)
        promise = read_promise(stream)
        if promise.shortened:
            raise AudioError(name, "is compressed with shorten", "decompress it: sph2pipe -f wav IN.sph OUT.wav")
        if promise.hidden_bytes:
            raise AudioError(
                name, f"declares no samples but {promise.hidden_bytes} bytes follow its header",
                "its writer was interrupted; repair it, for example: sox --ignore-length IN.wav OUT.wav",
            )  # fmt: skip
        try:
            sound = _sound_of(stream, ours=stream is not source)
        except (soundfile.SoundFileError, TypeError, ValueError, RuntimeError) as error:
            reason = str(getattr(error, "error_string", error)).rstrip(". ")
            raise AudioError(name, f"is not audio that libsndfile reads ({reason})", CONVERT) from None
        with sound:
            if not LOWEST_RATE <= sound.samplerate <= HIGHEST_RATE:
                raise AudioError(name, f"declares a sample rate of {sound.samplerate} Hz", CONVERT)
            yield sound, promise, name
    finally:
        if stream is not source:
            stream.close()


def _sound_of(stream: BinaryIO, ours: bool) -> Any:
    """soundfile's view of a stream at its beginning.

    A file that we opened goes by its descriptor: libsndfile reads it itself, faster than through Python callbacks, in
    which an interrupt by the user would be lost.
    """
    import soundfile

    if ours and isinstance(stream, io.FileIO):
        os.lseek(stream.fileno(), 0, os.SEEK_SET)
        return soundfile.SoundFile(stream.fileno(), closefd=False)
    return soundfile.SoundFile(_Contained(stream))


def _binary(source: Source) -> tuple[BinaryIO, str]:
    """A seekable stream of the file's bytes (io.FileIO for a path), and its name for messages."""
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.is_dir():
            raise AudioError(path, "is a folder", "give an audio file")
        try:
            stream: Any = path.open("rb", buffering=0)
        except FileNotFoundError:
            raise AudioError(path, "does not exist", "check the path") from None
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or error
            raise AudioError(path, f"cannot be opened ({reason})", "check the path and its permissions") from None
        name = str(path)
    else:
        stream, name = source, str(getattr(source, "name", "audio stream"))
    return (stream if stream.seekable() else io.BytesIO(stream.read())), name


class _Contained:
    """A stream for libsndfile in which a broken header's seek outside the file fails quietly.

    libsndfile calls back from C, where an exception could only be printed, not raised.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def seek(self, offset: int, whence: int = 0) -> int:
        try:
            return self._stream.seek(offset, whence)
        except (ValueError, OSError, OverflowError):
            return -1

    def tell(self) -> int:
        return self._stream.tell()

    def read(self, size: int = -1) -> bytes:
        return self._stream.read(max(size, 0))

    def readinto(self, buffer: Any) -> int:
        piece = self._stream.read(len(buffer))
        buffer[: len(piece)] = piece
        return len(piece)


def _info(sound: Any) -> AudioInfo:
    if sound.frames >= 2**62:  # libsndfile's SF_COUNT_MAX: not stated
        return AudioInfo(sound.samplerate, sound.channels, -1, float("inf"))
    return AudioInfo(sound.samplerate, sound.channels, sound.frames, sound.frames / sound.samplerate)


def _check_cut(name: str, promised: int | None, present: int, rate: int, strict: bool) -> None:
    if promised is None or not 0 <= present < promised:
        return
    reason = f"is cut: it declares {promised / rate:.2f} s and holds {present / rate:.2f} s"
    _warn_or_raise(name, reason, strict)


def _warn_or_raise(name: str, reason: str, strict: bool) -> None:
    if strict:
        raise AudioError(name, reason, "copy it again, or read it without strict checking")
    log.warning("%s: %s; reading what is there", name, reason)


def _span(
    name: str, info: AudioInfo, start: float, duration: float | None, max_seconds: float, strict: bool
) -> tuple[int, int]:
    """First frame and number of frames to read; of an unstated length, one frame more than the limit allows."""
    if not (start >= 0 and (duration is None or duration >= 0)):  # also refuses NaN
        raise AudioError(name, f"has no span of {duration} s from {start} s", "give times of 0 or more")
    if info.frames >= 0 and start > info.duration + SPAN_TOLERANCE:
        reason = f"ends at {info.duration:.2f} s, before the span that starts at {start:.2f} s"
        raise AudioError(name, reason, "correct the times; 'asr validate' finds all such spans")
    wanted = info.duration - start if duration is None else min(duration, info.duration - start)
    if duration is not None and duration > wanted + SPAN_TOLERANCE:
        _warn_or_raise(name, f"ends {duration - wanted:.2f} s before the span of {duration:.2f} s does", strict)
    begin = round(start * info.sample_rate)
    if wanted == float("inf"):
        return begin, int(max_seconds * info.sample_rate) + 1
    if wanted > max_seconds:
        raise _too_long(name, wanted, max_seconds)
    return begin, max(0, round((start + wanted) * info.sample_rate) - begin)


def _too_long(name: str, seconds: float, max_seconds: float) -> AudioError:
    reason = f"is {seconds / 3600:.2f} h long, over the limit of {max_seconds / 3600:.2f} h"
    return AudioError(name, reason, "cut it into shorter files or raise the limit")


def _decode(sound: Any, name: str, begin: int, frames: int, channel: int | None, strict: bool) -> np.ndarray:
    """Read in blocks, mixed down one by one, so that memory follows the samples read and not the header."""
    import soundfile

    blocks: list[np.ndarray] = []
    done = 0
    try:
        if begin:
            sound.seek(begin)
        # soundfile seeks after each read of a seekable file: slow in FLAC, and an error when its length is not stated.
        sound.seekable = lambda: False
        while done < frames:
            block = sound.read(min(BLOCK_FRAMES, frames - done), dtype="float32", always_2d=True)
            if not len(block):
                break
            with np.errstate(invalid="ignore"):  # infinities are refused later, with their place
                mono = block[:, channel or 0] if channel is not None or block.shape[1] == 1 else block.mean(axis=1)
            blocks.append(mono)
            done += len(block)
    except (soundfile.SoundFileError, RuntimeError) as error:
        reason = str(getattr(error, "error_string", error)).rstrip(". ") or "decoding fails"
        if not blocks:
            raise AudioError(name, f"cannot be decoded ({reason})", "copy it again or convert it") from None
        _warn_or_raise(name, f"is damaged or cut after {(begin + done) / sound.samplerate:.2f} s", strict)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def _check_levels(
    name: str, samples: np.ndarray, start: float, rate: int, on_clipping: Callable[[str, float], None]
) -> None:
    """Refuse NaN and infinity, tell of clipping."""
    finite = np.isfinite(samples)
    if not finite.all():
        where = start + int(np.argmin(finite)) / rate
        raise AudioError(
            name, f"holds a non-finite sample at {where:.3f} s", "its encoder is at fault; export it again"
        )
    size = np.abs(samples)
    over = int(np.count_nonzero(size > 1.0))
    at_full_scale = int(np.count_nonzero(size >= FULL_SCALE))
    if over or at_full_scale > CLIPPED_SHARE * len(samples):
        on_clipping(name, at_full_scale / len(samples))


@lru_cache(maxsize=64)
def _notice_resampling(from_rate: int, to_rate: int) -> None:
    """Say once in a process that audio of this rate is resampled."""
    log.info("audio at %d Hz is resampled to %d Hz", from_rate, to_rate)
