"""What the header of an audio file promises, so that the reader can tell a cut file from a short one.

libsndfile trims a promised length to the bytes that are there, leaves what a header does not claim, and says nothing;
these few fields are read beside it.
Formats: WAV and RF64 (Microsoft RIFF, EBU Tech 3306), Wave64 (Sonic Foundry), AIFF (Apple 1989), Sun AU, NIST SPHERE 2.
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import BinaryIO

STREAMED_SIZE = 0xFFFFFFFF
SPHERE_HEADER_BYTES = 1024
WAVE64 = bytes.fromhex("726966662e91cf11a5d628db04c10000")  # its name for RIFF; names of chunks begin like those of WAV


@dataclass(frozen=True, slots=True)
class HeaderPromise:
    """What a header says about the samples that follow it.

    Attributes:
        frames: promised number of frames, or None when the format does not say or a streaming writer left it open.
        hidden_bytes: bytes that follow a data size of zero and are not further chunks.
        unclaimed_frames: frames that would fit into what follows the samples and is not further chunks.
        shortened: whether the samples are compressed with shorten (SPHERE only).
    """

    frames: int | None = None
    hidden_bytes: int = 0
    unclaimed_frames: int = 0
    shortened: bool = False


def is_placeholder(size: int) -> bool:
    """Whether a 32-bit size was left by a writer into a pipe, which cannot come back to fill it in: ffmpeg leaves
    2**32 - 1, SoX a little under 2**31, others these less the length of the header."""
    return 0x7FFF_F000 <= size <= 0x8000_0000 or size >= 0xFFFF_F000


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
            return _au_promise(head, size - position)
        if head[:7] == b"NIST_1A":
            return _sphere_promise(head)
        if head[:16] == WAVE64 and head[24:28] == b"wave":
            return _wave64_promise(stream, position, size)
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
    elif is_placeholder(length):
        return HeaderPromise()
    # PCM, float, A-law, mu-law and extensible: one block is one frame. Block codecs hold many frames in a block.
    if block_align == 0 or coding not in (1, 3, 6, 7, 0xFFFE):
        return HeaderPromise()
    unclaimed = _bytes_outside_chunks(stream, begin + length + length % 2, size)
    return HeaderPromise(frames=length // block_align, unclaimed_frames=unclaimed // block_align)


def _bytes_outside_chunks(stream: BinaryIO, begin: int, size: int) -> int:
    """Bytes from `begin` to the end of the file, or 0 when they are well-formed chunks (tags after the samples)."""
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


def _au_promise(head: bytes, size: int) -> HeaderPromise:
    begin, length, encoding, _, channels = struct.unpack(">IIIII", head[4:24])
    sample_bytes = {1: 1, 2: 1, 3: 2, 4: 3, 5: 4, 6: 4, 7: 8, 27: 1}.get(encoding, 0)
    if length in (0, STREAMED_SIZE) or not sample_bytes * channels:
        return HeaderPromise()
    frame_bytes = sample_bytes * channels
    unclaimed = max(0, size - begin - length) // frame_bytes
    return HeaderPromise(frames=length // frame_bytes, unclaimed_frames=unclaimed)


def _wave64_promise(stream: BinaryIO, begin: int, size: int) -> HeaderPromise:
    """Chunks of Wave64: 16 bytes of name, 8 of a size that counts both, padded to 8."""
    block_align, offset = 0, begin + 40
    while offset + 24 <= size:
        stream.seek(offset)
        name, length = struct.unpack("<4s12xQ", stream.read(24))
        if name == b"fmt ":
            coding, block_align = struct.unpack("<H10xH", stream.read(14))
            if coding not in (1, 3, 6, 7, 0xFFFE):
                return HeaderPromise()
        elif name == b"data" and block_align:
            return HeaderPromise(frames=max(0, length - 24) // block_align)
        if length < 24:
            break
        offset += length + -length % 8
    return HeaderPromise()


def _sphere_promise(head: bytes) -> HeaderPromise:
    count = re.search(rb"^sample_count -i (\d{1,12})\s*$", head, re.MULTILINE)
    coding = re.search(rb"^sample_coding -s\d+ (\S+)", head, re.MULTILINE)
    shortened = coding is not None and b"shorten" in coding[1]
    return HeaderPromise(frames=int(count[1]) if count else None, shortened=shortened)
