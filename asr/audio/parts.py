"""Recordings that were joined by appending files: where each part begins and ends, and whether the last one is whole.

Decoders stop at the end of the first part and say nothing. So the bytes themselves are looked through: pages of Ogg
(RFC 3533), frames of MPEG audio (ISO 11172-3, with the Xing and LAME headers that state their number), chunks of WAV,
stream markers of FLAC (RFC 9639).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

from asr.audio.mpeg import mpeg_streams, skip_tags

BLOCK, FEW = 1 << 18, 64  # bytes read at once, where all of a file is looked at and where chunks are hopped over
STREAMINFO_BYTES = 34


@dataclass(frozen=True, slots=True)
class Part:
    """Bytes of a file that are a recording of their own, and what decoders need in front of them."""

    begin: int
    end: int
    header: bytes = b""


@dataclass(frozen=True, slots=True)
class Layout:
    """What of a file is sound.

    Attributes:
        parts: in their order; one for a file that was not joined.
        cut: in words, why the last part is not whole; "" where that cannot be told.
    """

    parts: tuple[Part, ...]
    cut: str = ""


class Window:
    """Bytes of a seekable stream by offset, a block at a time."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream, self.read_at_once = stream, FEW
        self.size = stream.seek(0, 2)
        self._begin, self._block = 0, b""

    def at(self, offset: int, count: int) -> bytes:
        """Up to `count` bytes from `offset`; fewer at the end of the stream."""
        place = offset - self._begin
        if place < 0 or place + count > len(self._block):
            self._stream.seek(offset)
            self._begin, self._block, place = offset, self._read(max(count, self.read_at_once)), 0
        return self._block[place : place + count]

    def _read(self, count: int) -> bytes:
        pieces = []
        while count > 0 and (piece := self._stream.read(count)):  # unbuffered files may give less than was asked for
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def find(self, pattern: bytes, begin: int) -> int:
        """Offset of the next `pattern`; -1 where there is none."""
        while begin + len(pattern) <= self.size:
            block = self.at(begin, BLOCK)
            place = block.find(pattern)
            if place >= 0:
                return begin + place
            if len(block) < len(pattern):
                break
            begin += len(block) - len(pattern) + 1
        return -1


def layout_of(stream: BinaryIO) -> Layout:
    """Parts of a seekable stream, whose position is restored; what is not understood is one part."""
    position = stream.tell()
    try:
        window = Window(stream)
        begin = skip_tags(window.at, 0)
        head = window.at(begin, 12)
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            return _wave_layout(window, begin)
        window.read_at_once = BLOCK
        if head[:4] == b"OggS":
            return _ogg_layout(window, begin)
        if head[:4] == b"fLaC":
            return _flac_layout(window, begin)
        if begin or head[:1] == b"\xff":
            streams = mpeg_streams(window.at, begin, window.size)
            if streams:
                parts = [Part(stream.begin, stream.end, stream.header) for stream in streams]
                if parts[0].begin == begin and not parts[0].header:
                    parts[0] = Part(0, parts[0].end)  # decoders skip tags themselves
                return Layout(tuple(parts))
        return Layout((Part(0, window.size),))
    finally:
        stream.seek(position)


def _flac_layout(window: Window, begin: int) -> Layout:
    starts, place = [begin], begin
    while (place := window.find(b"fLaC", place + 4)) >= 0:
        if _is_stream_info(window.at(place, 8 + STREAMINFO_BYTES)):
            starts.append(place)
    return _between(starts, window.size)


def _is_stream_info(head: bytes) -> bool:
    if len(head) < 8 + STREAMINFO_BYTES or head[4] & 0x7F or int.from_bytes(head[5:8], "big") != STREAMINFO_BYTES:
        return False
    smallest, largest = struct.unpack(">HH", head[8:12])
    return 16 <= smallest <= largest and int.from_bytes(head[18:21], "big") >> 4 > 0


def _wave_layout(window: Window, begin: int) -> Layout:
    starts, offset = [begin], begin + 12
    while offset + 12 <= window.size:
        name, length, kind = struct.unpack("<4sI4s", window.at(offset, 12))
        if name in (b"RIFF", b"RF64") and kind == b"WAVE":
            starts.append(offset)
            offset += 12
            continue
        if not name.strip(b" ").isalnum():
            break
        offset += 8 + length + length % 2
        if window.at(offset - length % 2, 4) in (b"RIFF", b"RF64"):
            offset -= length % 2  # an odd chunk at the end of a file need not have been padded
    return _between(starts, window.size)


def _ogg_layout(window: Window, begin: int) -> Layout:
    """A part begins with pages that begin streams; those of streams in parallel stand together (RFC 3533, chaining)."""
    starts, offset, beginning, ended, cut = [begin], begin, True, False, ""
    while (offset := window.find(b"OggS", offset)) >= 0:
        head = window.at(offset, 27)
        segments = window.at(offset + 27, head[26]) if len(head) == 27 else b""
        if len(head) < 27 or len(segments) < head[26]:
            cut = "ends within a page"
            break
        begins, ended = bool(head[5] & 2), bool(head[5] & 4)
        if begins and not beginning:
            starts.append(offset)
        beginning = begins
        offset += 27 + len(segments) + sum(segments)
        if offset > window.size:
            cut = "ends within a page"
            break
    if not cut and not ended:
        cut = "ends without its last page"
    return Layout(_between(starts, window.size).parts, cut)


def _between(starts: list[int], size: int) -> Layout:
    return Layout(tuple(Part(*bounds) for bounds in zip(starts, [*starts[1:], size], strict=True)))
