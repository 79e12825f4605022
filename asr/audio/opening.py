"""Opening a recording, whatever holds it: libsndfile first, then ffmpeg; joined files part by part; cut files told."""

from __future__ import annotations

import io
import logging
import os
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO

from asr.audio import ffmpeg
from asr.audio.finding import is_folder
from asr.audio.header import HeaderPromise, is_placeholder, read_promise
from asr.audio.parts import Layout, layout_of
from asr.audio.sounds import UNREADABLE, Damage, FileSound, JoinedSound, PcmSound, Sound, copy_of, reason_of
from asr.errors import AudioError

log = logging.getLogger("asr")

LOWEST_RATE, HIGHEST_RATE = 1000, 768_000  # Hz; a rate outside is a broken header
CONVERT = "convert it, for example: ffmpeg -i INPUT -ac 1 -ar 16000 OUTPUT.wav"
UNCLAIMED_SECONDS = 0.05  # of bytes after the samples that a header declares; a few are padding or a tag
PCM_KINDS = {(1, 8): "u1", (1, 16): "<i2", (1, 24): "<i3", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}

Source = str | os.PathLike[str] | BinaryIO


@dataclass(frozen=True, slots=True)
class Opened:
    """A recording that is open.

    Attributes:
        sound: its samples.
        name: for messages.
        cut: in words, what is missing or left unread of it; "" where nothing is known to be.
        live: whether it comes out of a pipe as it is made, so that nobody should wait for more of it than he needs.
    """

    sound: Sound
    name: str
    cut: str = ""
    live: bool = False


@contextmanager
def open_sound(source: Source, *, raw_rate: int | None = None) -> Iterator[Opened]:
    """Open a recording for reading.

    Args:
        source: path, or a binary file object. One that cannot seek is copied to a temporary file first, unless it is
            raw PCM or a WAV whose header says that it is being written.
        raw_rate: Hz of raw 16-bit little-endian mono PCM without any header; None expects a file with one.

    Raises:
        AudioError: missing, unreadable or not audio.
    """
    with ExitStack() as stack:
        stream, name = _binary(source, stack)
        if raw_rate is not None:
            if not LOWEST_RATE <= raw_rate <= HIGHEST_RATE:
                raise AudioError(name, f"cannot be raw samples at {raw_rate} Hz", "give their rate in Hz")
            yield Opened(PcmSound(stream, raw_rate), name, live=True)
            return
        if not stream.seekable():
            stream, live = _out_of_pipe(stream, name, stack)
            if live is not None:
                yield Opened(live, name, live=True)
                return
        opened = _open_file(stream, name, stack, ours=stream is not source, path=_path_of(source))
        stack.callback(opened.sound.close)
        if not LOWEST_RATE <= opened.sound.sample_rate <= HIGHEST_RATE:
            raise AudioError(name, f"declares a sample rate of {opened.sound.sample_rate} Hz", CONVERT)
        yield opened


def _open_file(stream: BinaryIO, name: str, stack: ExitStack, *, ours: bool, path: str | None) -> Opened:
    if not stream.seek(0, 2):
        raise AudioError(name, "is an empty file", "record or copy it again")
    stream.seek(0)
    layout = _layout(stream, path)
    promise = read_promise(stream)
    if promise.shortened:
        raise AudioError(name, "is compressed with shorten", "decompress it: sph2pipe -f wav IN.sph OUT.wav")
    if promise.hidden_bytes:
        raise AudioError(
            name, f"declares no samples but {promise.hidden_bytes} bytes follow its header",
            "its writer was interrupted; repair it, for example: sox --ignore-length IN.wav OUT.wav",
        )  # fmt: skip
    try:
        if len(layout.parts) > 1 or layout.parts[0].begin or layout.parts[0].header:
            return _open_parts(stream, name, layout)
        sound = FileSound(stream, ours=ours)
    except UNREADABLE as error:
        return _through_ffmpeg(stream, name, path, reason_of(error), stack)
    return Opened(sound, name, _cut_of(promise, sound) or layout.cut)


def _open_parts(stream: BinaryIO, name: str, layout: Layout) -> Opened:
    cuts: list[str] = []
    if len(layout.parts) > 1:
        log.warning("%s: %d recordings joined in one file; reading them one after another", name, len(layout.parts))
    joined = JoinedSound(stream, layout.parts, lambda file, part: cuts.append(_cut_of(read_promise(file), part)))
    return Opened(joined, name, next(filter(None, cuts), "") or layout.cut)


def _cut_of(promise: HeaderPromise, sound: Sound) -> str:
    """What a header promises and the file does not hold, or what the file holds and the header does not claim."""
    rate = sound.sample_rate
    if promise.frames is not None and 0 <= sound.frames < promise.frames:
        return f"is cut: it declares {promise.frames / rate:.2f} s and holds {sound.frames / rate:.2f} s"
    if promise.frames and promise.unclaimed_frames > UNCLAIMED_SECONDS * rate:
        more = promise.unclaimed_frames / rate
        return f"declares {promise.frames / rate:.2f} s of sound, and {more:.2f} s more follow that are not read"
    return ""


def _layout(stream: BinaryIO, path: str | None) -> Layout:
    """Where the parts of a file are; of a file on disk only looked for once, however many spans of it are read."""
    if path is None or not isinstance(stream, io.FileIO):
        return layout_of(stream)
    status = os.fstat(stream.fileno())
    return _layout_of_path(path, status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


@lru_cache(maxsize=256)
def _layout_of_path(path: str, *identity: int) -> Layout:
    with open(path, "rb", buffering=0) as stream:  # noqa: PTH123 (a path that need not be decodable)
        return layout_of(stream)


def _through_ffmpeg(stream: BinaryIO, name: str, path: str | None, reason: str, stack: ExitStack) -> Opened:
    """What ffmpeg makes of a file that libsndfile refused.

    Raises:
        AudioError: it is not installed, or finds no sound either.
    """
    stream.seek(0)
    if not ffmpeg.looks_like_sound(stream.read(ffmpeg.LOOKED_AT) or b""):
        raise AudioError(name, f"is not audio that libsndfile reads ({reason})", CONVERT)
    executable = ffmpeg.program()
    if executable is None:
        remedy = f"install ffmpeg, which reads more kinds of files, or {CONVERT} on a machine that has it"
        raise AudioError(name, f"is not audio that libsndfile reads ({reason})", remedy)
    if path is None:
        stream.seek(0)
        named: Any = stack.enter_context(tempfile.NamedTemporaryFile())  # noqa: SIM115 (entered)
        shutil.copyfileobj(stream, named)
        named.flush()
        path = named.name
    try:
        sound = ffmpeg.FfmpegSound(path, executable)
    except Damage as damage:
        raise AudioError(name, f"is not audio that libsndfile or ffmpeg reads ({damage})", CONVERT) from None
    return Opened(sound, name)


def _out_of_pipe(stream: BinaryIO, name: str, stack: ExitStack) -> tuple[BinaryIO, PcmSound | None]:
    """All of a pipe in a temporary file; or its samples as they come, of a WAV that says that it is written live."""
    head = _read_all(stream, 12)
    if head[:4] == b"RIFF" and head[8:] == b"WAVE":
        fields: tuple[int, ...] = ()
        while len(chunk := _read_all(stream, 8)) == 8:
            head += chunk
            kind, length = struct.unpack("<4sI", chunk)
            if kind == b"data":
                encoding = PCM_KINDS.get((fields[0], fields[5])) if fields else None
                if encoding and is_placeholder(length) and fields[4] == fields[1] * int(encoding[-1]):
                    return stream, PcmSound(stream, fields[2], fields[1], encoding)
                break
            body = _read_all(stream, length + length % 2)
            head += body
            if kind == b"fmt " and len(body) >= 16:
                fields = struct.unpack("<HHIIHH", body[:16])
    copied = copy_of(_Prefixed(head, stream))  # type: ignore[arg-type]
    return stack.enter_context(copied), None


def _read_all(stream: BinaryIO, count: int) -> bytes:
    data = b""
    while len(data) < count and (piece := stream.read(min(count - len(data), 1 << 16))):
        data += piece
    return data


class _Prefixed(io.RawIOBase):
    """A stream of which the beginning was read already."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head, self._stream = head, stream

    def read(self, size: int = -1) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(size)


def _binary(source: Source, stack: ExitStack) -> tuple[BinaryIO, str]:
    """A stream of the file's bytes (io.FileIO for a path), and its name for messages."""
    if not isinstance(source, (str, os.PathLike)):
        name = getattr(source, "name", "audio stream")
        return source, "standard input" if name in ("<stdin>", 0) else str(name)
    path = Path(source)
    if not os.fspath(source):
        raise AudioError("''", "is no name of a recording", "give an audio file")
    if is_folder(path):
        raise AudioError(path, "is a folder", "give an audio file")
    try:
        stream: Any = stack.enter_context(path.open("rb", buffering=0))
    except FileNotFoundError:
        if path.is_symlink():
            reason = f"is a link to {os.readlink(path)}, which does not exist"  # noqa: PTH115 (as it was written)
            raise AudioError(path, reason, "mend the link or fetch the file") from None
        raise AudioError(path, "does not exist", "check the path") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise AudioError(path, f"cannot be opened ({reason})", "check the path and its permissions") from None
    return stream, str(path)


def _path_of(source: Source) -> str | None:
    return os.fspath(source) if isinstance(source, (str, os.PathLike)) and Path(source).is_file() else None
