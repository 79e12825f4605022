"""What the header of an audio file promises, so that the reader can tell a cut file from a short one.

libsndfile trims a promised length to the bytes that are there and says nothing; these few fields are read beside it.
Formats: WAV and RF64 (Microsoft RIFF, EBU Tech 3306), AIFF (Apple 1989), Sun AU, NIST SPHERE 2.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

# Writers into a pipe cannot come back to fill in the size: ffmpeg leaves 2**32 - 1, SoX a little under 2**31.
STREAMED_SIZES = range(0x7FFFF000, 0x80000000)
STREAMED_SIZE = 0xFFFFFFFF
SPHERE_HEADER_BYTES = 1024


@dataclass(frozen=True, slots=True)
class HeaderPromise:
    """What a header says about the samples that follow it.

    Attributes:
        frames: promised number of frames, or None when the format does not say or a streaming writer left it open.
        hidden_bytes: bytes that follow a data size of zero and are not further chunks.
        shortened: whether the samples are compressed with shorten (SPHERE only).
    """

    frames: int | None = None
    hidden_bytes: int = 0
    shortened: bool = False


def read_promise(stream: BinaryIO) -> HeaderPromise:
    """Read the header of a seekable stream; an unknown or broken header promises nothing.

    The stream's position is restored.
    """
    position = stream.tell()
    size = stream.seek(0, 2)
    stream.seek(position)
    head = stream.read(SPHERE_HEADER_BYTES)
    try:
        if head[:4] in (b"RIFF", b"RF64") and head[8:12] == b"WAVE":
            return _wave_promise(stream, position, size)
        if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
            return _aiff_promise(stream, position, size)
        if head[:4] == b".snd":
            return _au_promise(head)
        if head[:7] == b"NIST_1A":
            return _sphere_promise(head)
    except struct.error:
        pass
    finally:
        stream.seek(position)
    return HeaderPromise()


def _wave_promise(stream: BinaryIO, begin: int, size: int) -> HeaderPromise:
    block_align, coding, wide_size = 0, 0, 0
    offset = begin + 12
    while offset + 8 <= size:
        stream.seek(offset)
        name, length = struct.unpack("<4sI", stream.read(8))
        if name == b"ds64":
            wide_size = struct.unpack("<Q", stream.read(16)[8:])[0]
        elif name == b"fmt ":
            fields = struct.unpack("<HHIIHH", stream.read(16))
            coding, block_align = fields[0], fields[4]
        elif name == b"data":
            return _wave_data_promise(stream, offset + 8, size, length, wide_size, block_align, coding)
        offset += 8 + length + length % 2
    return HeaderPromise()


def _wave_data_promise(
    stream: BinaryIO, begin: int, size: int, length: int, wide_size: int, block_align: int, coding: int
) -> HeaderPromise:
    if length == 0:
        return HeaderPromise(hidden_bytes=_bytes_outside_chunks(stream, begin, size))
    if length == STREAMED_SIZE and wide_size:
        length = wide_size
    elif length == STREAMED_SIZE or length in STREAMED_SIZES:
        return HeaderPromise()
    # PCM, float, A-law, mu-law and extensible: one block is one frame. Block codecs hold many frames in a block.
    if block_align == 0 or coding not in (1, 3, 6, 7, 0xFFFE):
        return HeaderPromise()
    return HeaderPromise(frames=length // block_align)


def _bytes_outside_chunks(stream: BinaryIO, begin: int, size: int) -> int:
    """Bytes from `begin` to the end of the file, or 0 when they are well-formed chunks (tags after empty data)."""
    offset = begin
    while offset + 8 <= size:
        stream.seek(offset)
        name, length = struct.unpack("<4sI", stream.read(8))
        if not re.fullmatch(rb"[ -~]{4}", name) or offset + 8 + length > size:
            return size - begin
        offset += 8 + length + length % 2
    return 0 if offset >= size or size - offset < 2 else size - begin


def _aiff_promise(stream: BinaryIO, begin: int, size: int) -> HeaderPromise:
    offset = begin + 12
    while offset + 8 <= size:
        stream.seek(offset)
        name, length = struct.unpack(">4sI", stream.read(8))
        if name == b"COMM":
            return HeaderPromise(frames=struct.unpack(">hI", stream.read(6))[1] or None)
        offset += 8 + length + length % 2
    return HeaderPromise()


def _au_promise(head: bytes) -> HeaderPromise:
    length, encoding, _, channels = struct.unpack(">IIII", head[8:24])
    sample_bytes = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)
    if length in (0, STREAMED_SIZE) or not sample_bytes * channels:
        return HeaderPromise()
    return HeaderPromise(frames=length // (sample_bytes * channels))


def _sphere_promise(head: bytes) -> HeaderPromise:
    count = re.search(rb"^sample_count -i (\d{1,12})\s*$", head, re.MULTILINE)
    coding = re.search(rb"^sample_coding -s\d+ (\S+)", head, re.MULTILINE)
    shortened = coding is not None and b"shorten" in coding[1]
    return HeaderPromise(frames=int(count[1]) if count else None, shortened=shortened)
