"""Where samples come from: an open file of libsndfile, several that were joined in one, or bare PCM out of a pipe.

Shapes: N frames, C channels.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, BinaryIO, Protocol

import numpy as np

from asr.audio.parts import Part

COPIED = 1 << 20  # bytes copied at once
# soundfile raises these for files that it cannot open; its own error is a RuntimeError.
UNREADABLE = (TypeError, ValueError, RuntimeError, OSError)


class Damage(Exception):
    """Decoding cannot go on; what was read before is good. The text is a reason."""


class Sound(Protocol):
    """Something to read samples from, once and forwards.

    Attributes:
        sample_rate: Hz.
        channels: C.
        frames: samples of one channel; -1 when that is not stated.
    """

    sample_rate: int
    channels: int
    frames: int

    def read(self, frames: int) -> np.ndarray:
        """The next samples (N, C) float32, at most so many; none at the end.

        Raises:
            Damage: the file is broken here.
        """

    def skip(self, frames: int) -> None:
        """Pass over samples."""

    def close(self) -> None:
        """Free what it holds."""


class FileSound:
    """One file, read by libsndfile.

    Args:
        stream: at its beginning; seekable.
        ours: whether nobody else reads it. A file that we opened goes by its descriptor: libsndfile reads it itself,
            faster than through Python callbacks, in which an interrupt by the user would be lost.

    Raises:
        TypeError, ValueError, RuntimeError, OSError: libsndfile does not read it.
    """

    def __init__(self, stream: BinaryIO, *, ours: bool) -> None:
        import soundfile

        self._stream = stream if ours else None
        if ours and isinstance(stream, io.FileIO):
            os.lseek(stream.fileno(), 0, os.SEEK_SET)
            self._sound = soundfile.SoundFile(stream.fileno(), closefd=False)
        else:
            stream.seek(0)
            self._sound = soundfile.SoundFile(_Contained(stream))
        self.sample_rate, self.channels = self._sound.samplerate, self._sound.channels
        self.frames = self._sound.frames if self._sound.frames < 2**62 else -1  # libsndfile's SF_COUNT_MAX: not stated
        self._direct = False

    def read(self, frames: int) -> np.ndarray:
        """See `Sound`."""
        if not self._direct:
            # soundfile seeks after each read of a seekable file: slow in FLAC, an error when its length is not stated.
            self._sound.seekable, self._direct = lambda: False, True
        try:
            block: np.ndarray = self._sound.read(frames, dtype="float32", always_2d=True)
        except RuntimeError as error:
            raise Damage(reason_of(error)) from None
        return block

    def skip(self, frames: int) -> None:
        """See `Sound`."""
        try:
            self._sound.seek(frames)
        except RuntimeError as error:
            raise Damage(reason_of(error)) from None

    def close(self) -> None:
        """See `Sound`."""
        self._sound.close()
        if self._stream is not None:
            self._stream.close()


def reason_of(error: Exception) -> str:
    """What libsndfile says is wrong."""
    reason = str(getattr(error, "error_string", error)).rstrip(". ")
    return " ".join(reason.split()) or "decoding fails"


class JoinedSound:
    """Parts of one file, one after another as if they were one recording.

    Each is copied to a temporary file of its own, since libsndfile looks at a file from its beginning to its end. Parts
    at another rate are resampled to that of the first; those with other channels are given as many by their average.
    """

    def __init__(self, stream: BinaryIO, parts: Sequence[Part], check: Callable[[BinaryIO, FileSound], None]) -> None:
        """Look at every part.

        Args:
            stream: of the whole file.
            parts: in their order.
            check: told the file of each part and what libsndfile says of it.

        Raises:
            TypeError, ValueError, RuntimeError, OSError: libsndfile does not read a part.
        """
        self._stream, self._parts = stream, list(parts)
        self._current: FileSound | None = None
        self._resampler: Any = None
        self._left = np.zeros((0, 1), np.float32)
        self.sample_rate, self.channels, self.frames = 0, 0, 0
        for part in parts:
            file = copy_of(stream, part)
            sound = FileSound(file, ours=True)
            try:
                check(file, sound)
                if not self.sample_rate:
                    self.sample_rate, self.channels = sound.sample_rate, sound.channels
                if sound.frames < 0 or self.frames < 0:
                    self.frames = -1
                else:
                    self.frames += round(sound.frames * self.sample_rate / sound.sample_rate)
            finally:
                sound.close()

    def read(self, frames: int) -> np.ndarray:
        """See `Sound`."""
        while not len(self._left):
            if self._current is None:
                if not self._parts:
                    return np.zeros((0, self.channels), np.float32)
                self._current = FileSound(copy_of(self._stream, self._parts.pop(0)), ours=True)
                self._resampler = self._resampler_from(self._current.sample_rate)
            block = self._current.read(frames)
            ended = not len(block)
            self._left = self._fitting(block, ended)
            if ended:
                self._current.close()
                self._current = None
        block, self._left = self._left[:frames], self._left[frames:]
        return block

    def _resampler_from(self, rate: int) -> Any:
        if rate == self.sample_rate:
            return None
        import soxr  # type: ignore[import-untyped]

        return soxr.ResampleStream(rate, self.sample_rate, self.channels, dtype="float32", quality="HQ")

    def _fitting(self, block: np.ndarray, ended: bool) -> np.ndarray:
        if block.shape[1] != self.channels:
            block = np.repeat(block.mean(axis=1, keepdims=True), self.channels, axis=1)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(np.ascontiguousarray(block), last=ended)
            block = block.reshape(-1, self.channels)
        return block

    def skip(self, frames: int) -> None:
        """See `Sound`."""
        skip_reading(self, frames)

    def close(self) -> None:
        """See `Sound`."""
        if self._current is not None:
            self._current.close()


class PcmSound:
    """Bare samples, little-endian and interleaved, from a stream that need not seek; live, as they come.

    Args:
        stream: at the first sample.
        sample_rate: Hz.
        channels: C.
        kind: NumPy type of a sample: "<i2", "<i4", "<f4", "<f8", "u1", or "<i3" for 24 bits.
    """

    frames = -1

    def __init__(self, stream: BinaryIO, sample_rate: int, channels: int = 1, kind: str = "<i2") -> None:
        self._stream, self._kind, self._rest = stream, kind, b""
        self.sample_rate, self.channels = sample_rate, channels
        self._frame_bytes = int(kind[-1]) * channels

    def read(self, frames: int) -> np.ndarray:
        """See `Sound`; what a pipe has is given at once, without waiting for all."""
        wanted = frames * self._frame_bytes
        read_some = getattr(self._stream, "read1", self._stream.read)
        data = self._rest
        while len(data) < self._frame_bytes and (piece := read_some(wanted - len(data))):
            data += piece
        whole = len(data) - len(data) % self._frame_bytes
        self._rest = data[whole:]
        return pcm_samples(data[:whole], self._kind).reshape(-1, self.channels)

    def skip(self, frames: int) -> None:
        """See `Sound`."""
        skip_reading(self, frames)

    def close(self) -> None:
        """See `Sound`; the stream is its owner's."""


def pcm_samples(data: bytes, kind: str) -> np.ndarray:
    """Samples float32 in -1..1 of little-endian bytes; `kind` as in `PcmSound`."""
    if kind == "<i3":
        padded = np.zeros((len(data) // 3, 4), np.uint8)
        padded[:, 1:] = np.frombuffer(data, np.uint8).reshape(-1, 3)
        return (padded.view("<i4")[:, 0] / 2**31).astype(np.float32)
    values = np.frombuffer(data, kind)
    if kind == "u1":
        return ((values.astype(np.float32) - 128) / 128).astype(np.float32)
    if kind[1] == "f":
        return values.astype(np.float32)
    return (values / 2 ** (8 * values.dtype.itemsize - 1)).astype(np.float32)


def skip_reading(sound: Sound, frames: int) -> None:
    """Pass over samples by decoding them."""
    while frames > 0 and len(block := sound.read(min(frames, 1 << 16))):
        frames -= len(block)


def copy_of(stream: BinaryIO, part: Part | None = None) -> BinaryIO:
    """A temporary file with the bytes of a part, or with all that a stream still has; gone when it is closed."""
    file: Any = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115 (its reader closes it)
    try:
        if part is None:
            while block := stream.read(COPIED):
                _write(file, block)
        else:
            _write(file, part.header)
            stream.seek(part.begin)
            left = part.end - part.begin
            while left > 0 and (block := stream.read(min(left, COPIED))):
                _write(file, block)
                left -= len(block)
        file.seek(0)
    except BaseException:
        with suppress(OSError):
            file.close()
        raise
    copied: BinaryIO = file
    return copied


def _write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while len(view):  # an unbuffered file may take less than it is given
        view = view[file.write(view) :]


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
