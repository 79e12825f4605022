"""Frames of MPEG audio (layers I to III), walked without decoding, and the tags that stand before, between and after.

A Xing or Info frame says how many frames follow it; decoders stop there, although another file may have been appended.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

At = Callable[[int, int], bytes]  # bytes of the file from an offset, as many as asked for or to the end

RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # by version bits; Hz
# kbit/s by (MPEG-1?, layer), for the indices 1 to 14.
BIT_RATES = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
LARGEST_GAP = 1 << 16  # bytes without a frame after which nothing more is expected
MISCOUNTED = 1  # frames that a header may state too few: some encoders count themselves, others do not
SIDE_INFORMATION = {(True, False): 32, (True, True): 17, (False, False): 17, (False, True): 9}  # (MPEG-1?, mono?)


@dataclass(frozen=True, slots=True)
class Frame:
    """A frame's header: its bytes, and what all frames of a stream have in common."""

    length: int
    rate: int
    mono: bool
    layer: int
    first_version: bool

    @property
    def stream(self) -> tuple[int, bool, int]:
        """What changes only where another stream begins."""
        return (self.rate, self.mono, self.layer)


def parse_frame(head: bytes) -> Frame | None:
    """The frame whose four header bytes these are; None where they are none, or of a free bit rate."""
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer_bits = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate_index, bit_index = head[2] >> 2 & 3, head[2] >> 4
    if version == 1 or layer_bits == 0 or rate_index == 3 or not 1 <= bit_index <= 14:
        return None
    layer, first, padding = 4 - layer_bits, version == 3, head[2] >> 1 & 1
    rate, bits = RATES[version][rate_index], 1000 * BIT_RATES[first, layer][bit_index - 1]
    if layer == 1:
        length = (12 * bits // rate + padding) * 4
    else:
        length = (72 if layer == 3 and not first else 144) * bits // rate + padding
    return Frame(length, rate, head[3] >> 6 == 3, layer, first)


def skip_tags(at: At, offset: int) -> int:
    """Offset after ID3v2 and APE tags, of which there may be several."""
    while True:
        head = at(offset, 32)
        if head[:3] == b"ID3" and len(head) >= 10 and max(head[6:10]) < 0x80:
            size = head[6] << 21 | head[7] << 14 | head[8] << 7 | head[9]
            offset += 10 + size + (10 if head[5] & 0x10 else 0)
        elif head[:8] == b"APETAGEX" and len(head) == 32:
            header_only = int.from_bytes(head[20:24], "little") >> 29 & 1
            offset += 32 + (int.from_bytes(head[12:16], "little") if header_only else 0)
        elif head[:3] == b"TAG":
            offset += 128
        else:
            return offset


@dataclass(slots=True)
class Stream:
    """A run of frames: where it begins and ends in the file, its first frame, and how many there are and should be.

    Attributes:
        head: the four bytes of its first frame's header.
        stated: frames that its own header states; 0 without such a header.
        frames: frames of sound in it.
    """

    begin: int
    end: int
    head: bytes
    stated: int
    frames: int = 0

    @property
    def header(self) -> bytes:
        """A Xing frame to put in front, where the stream has none: without it decoders guess the length from the first
        frame's bit rate, and stop there."""
        first = parse_frame(self.head)
        if self.stated or first is None or first.layer != 3 or not self.frames:
            return b""
        before = SIDE_INFORMATION[first.first_version, first.mono]
        head = bytearray(self.head)
        head[1] |= 1  # no check sum
        for bit_index in range(1, 15):
            head[2] = bit_index << 4 | head[2] & 0x0F
            frame = parse_frame(bytes(head))
            if frame is not None and frame.length >= 4 + before + 12:
                body = bytes(before) + b"Xing" + (1).to_bytes(4, "big") + self.frames.to_bytes(4, "big")
                return bytes(head) + body + bytes(frame.length - 4 - len(body))
        return b""


def mpeg_streams(at: At, begin: int, size: int) -> list[Stream]:
    """The streams of frames between `begin` and `size`; empty where there is none.

    One begins with a Xing, Info or VBRI frame, where the frames that such a header stated are used up, or where sample
    rate, channels or layer change.
    """
    streams: list[Stream] = []
    kind: tuple[int, bool, int] | None = None
    offset, following = begin, -1
    while offset < size:
        frame = parse_frame(at(offset, 4))
        if frame is None or (following != offset and parse_frame(at(offset + frame.length, 4)) is None):
            offset = _next_frame(at, offset, size)
            continue
        informs, stated = _information(at, offset, frame)
        last = streams[-1] if streams else None
        used_up = last is not None and last.stated and last.frames >= last.stated + MISCOUNTED
        if last is None or (informs and last.frames) or used_up or frame.stream != kind:
            streams.append(Stream(offset, size, at(offset, 4), stated))
            kind = frame.stream
            if last is not None:
                last.end = offset
        streams[-1].frames += not informs
        offset += frame.length
        following = offset
    return streams


def _next_frame(at: At, offset: int, size: int) -> int:
    """Offset of the next two frames that follow one another, after tags and what else is none; `size` without any."""
    skipped = skip_tags(at, offset)
    if skipped != offset:
        return skipped
    limit = min(size, offset + LARGEST_GAP)
    offset += 1
    while offset < limit:
        block = at(offset, 4096)
        place = block.find(b"\xff")
        if place < 0:
            offset += max(len(block), 1)
            continue
        offset += place
        frame = parse_frame(at(offset, 4))
        if frame is not None and parse_frame(at(offset + frame.length, 4)) is not None:
            return offset
        if at(offset, 3) in (b"ID3", b"TAG"):
            return offset
        offset += 1
    return size


def _information(at: At, offset: int, frame: Frame) -> tuple[bool, int]:
    """Whether a frame holds a Xing, Info or VBRI header and no sound, and the frames it states (0: it does not)."""
    if frame.layer != 3:
        return False, 0
    body = at(offset + 4 + SIDE_INFORMATION[frame.first_version, frame.mono], 12)
    if body[:4] in (b"Xing", b"Info"):
        return True, int.from_bytes(body[8:12], "big") if len(body) == 12 and body[7] & 1 else 0
    body = at(offset + 36, 18)
    return (True, int.from_bytes(body[14:18], "big")) if body[:4] == b"VBRI" else (False, 0)
