"""What headers promise, read from headers written by hand from the formats' own descriptions."""

from __future__ import annotations

import io
import struct

import pytest

from asr.audio.header import HeaderPromise, read_promise


def chunk(name: bytes, content: bytes, order: str = "<") -> bytes:
    return name + struct.pack(f"{order}I", len(content)) + content + b"\0" * (len(content) % 2)


def wave(data_size: int, data: bytes, *, before: bytes = b"", coding: int = 1, block_align: int = 4) -> bytes:
    """A WAV whose data chunk claims `data_size` bytes."""
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", coding, 2, 16000, 64000, block_align, 16))
    return b"RIFF\0\0\0\0WAVE" + before + fmt + b"data" + struct.pack("<I", data_size) + data


def promise(data: bytes) -> HeaderPromise:
    return read_promise(io.BytesIO(data))


def test_wave_frames_are_data_bytes_by_block():
    assert promise(wave(400, bytes(400))).frames == 100
    assert promise(wave(400, bytes(40))).frames == 100  # the promise, not what is there


def test_chunks_before_the_data_are_skipped_with_their_padding():
    assert promise(wave(400, bytes(400), before=chunk(b"LIST", b"odd"))).frames == 100


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFFF])
def test_streaming_writers_promise_nothing(size):
    assert promise(wave(size, bytes(400))) == HeaderPromise()


def test_block_codecs_promise_nothing():
    """IMA ADPCM (0x11) holds many frames in a block."""
    assert promise(wave(400, bytes(400), coding=0x11)).frames is None


def test_rf64_takes_its_size_from_ds64():
    ds64 = chunk(b"ds64", struct.pack("<QQQI", 0, 800, 200, 0))
    data = wave(0xFFFFFFFF, bytes(800), before=ds64)
    assert promise(b"RF64" + data[4:]).frames == 200


@pytest.mark.parametrize(
    ("after", "hidden"),
    [
        (b"", 0),
        (chunk(b"LIST", b"INFO"), 0),
        (chunk(b"LIST", b"INFO") + chunk(b"id3 ", b"abc"), 0),
        (b"\0" * 40, 40),
        (b"\x01\x02\x03\x04" * 3, 12),
        (b"LIST" + struct.pack("<I", 999) + b"short", 13),
    ],
)
def test_bytes_behind_empty_data_are_chunks_or_hidden_samples(after, hidden):
    assert promise(wave(0, after)).hidden_bytes == hidden


def test_aiff_au_and_sphere_state_their_length():
    common = chunk(b"COMM", struct.pack(">hIh10s", 1, 1234, 16, bytes(10)), ">")
    assert promise(b"FORM\0\0\0\0AIFF" + chunk(b"NAME", b"x", ">") + common).frames == 1234
    assert promise(b".snd" + struct.pack(">IIIII", 24, 600, 3, 16000, 2)).frames == 150
    assert promise(b".snd" + struct.pack(">IIIII", 24, 0xFFFFFFFF, 3, 16000, 2)).frames is None
    sphere = b"NIST_1A\n   1024\nsample_count -i 555\nsample_coding -s3 pcm\nend_head\n"
    assert promise(sphere) == HeaderPromise(frames=555)
    assert promise(sphere.replace(b"-s3 pcm", b"-s26 pcm,embedded-shorten-v2.00")).shortened


@pytest.mark.parametrize(
    "data", [b"", b"RIFF", b"RIFF\0\0\0\0WAVE", b"RIFF\0\0\0\0WAVEfmt ", b"fLaC" + bytes(50), b".snd"]
)
def test_broken_and_other_headers_promise_nothing(data):
    assert promise(data) == HeaderPromise()


def test_the_position_of_the_stream_is_restored():
    stream = io.BytesIO(b"junk" + wave(400, bytes(400)))
    stream.seek(4)
    assert read_promise(stream).frames == 100
    assert stream.tell() == 4
