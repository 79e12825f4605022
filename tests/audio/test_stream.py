"""Blocks of any recording: together what reading it whole gives, in memory that does not grow with it."""

import io
import os
import struct
import threading
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import soundfile
import soxr

from asr.audio.reading import read_audio
from asr.audio.stream import open_stream
from asr.errors import AudioError

RATE = 16000


def noise(seconds, rate=RATE, channels=1, seed=0):
    shape = (round(seconds * rate), channels) if channels > 1 else round(seconds * rate)
    return (0.1 * np.random.default_rng(seed).standard_normal(shape)).clip(-1, 1).astype(np.float32)


def encoded(samples, rate=RATE, **kind):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **{"format": "WAV", "subtype": "FLOAT", **kind})
    return stream.getvalue()


def joined(stream):
    with stream:
        blocks = list(stream)
    assert all(block.dtype == np.float32 and block.ndim == 1 and len(block) for block in blocks)
    return np.concatenate(blocks) if blocks else np.zeros(0, np.float32)


def pipe_with(data):
    """The reading end of a pipe that something else writes into."""
    reading, writing = os.pipe()

    def write():
        with os.fdopen(writing, "wb") as stream:
            stream.write(data)

    threading.Thread(target=write).start()
    return os.fdopen(reading, "rb")


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000])
def test_blocks_equal_resampling_the_whole(rate):
    samples = noise(3.1, rate)
    whole = soxr.resample(samples, rate, RATE, quality="HQ") if rate != RATE else samples
    stream = open_stream(io.BytesIO(encoded(samples, rate)), sample_rate=RATE)
    assert stream.source_rate == rate
    assert stream.duration == pytest.approx(3.1, abs=1e-3)
    np.testing.assert_allclose(joined(stream), whole.clip(-1, 1), atol=1e-7)


def test_reading_whole_is_the_blocks_put_together():
    data = encoded(noise(2, 44100, 2), 44100)
    stream = open_stream(io.BytesIO(data), sample_rate=RATE, start=0.25, end=1.5)
    np.testing.assert_array_equal(
        joined(stream), read_audio(io.BytesIO(data), sample_rate=RATE, start=0.25, duration=1.25)
    )


def test_a_channel_or_the_mix():
    samples = noise(1, channels=3)
    data = encoded(samples)
    assert open_stream(io.BytesIO(data), sample_rate=RATE).channels == 3
    for channel in range(3):
        np.testing.assert_array_equal(
            joined(open_stream(io.BytesIO(data), sample_rate=RATE, channel=channel)), samples[:, channel]
        )
    np.testing.assert_allclose(joined(open_stream(io.BytesIO(data), sample_rate=RATE)), samples.mean(1), atol=1e-7)
    with pytest.raises(AudioError, match="no channel 3; choose from 0 to 2"):
        open_stream(io.BytesIO(data), sample_rate=RATE, channel=3)


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
def test_raw_pcm_out_of_a_pipe(rate):
    whole = np.round(noise(1.2, rate) * 32768).astype("<i2")
    stream = open_stream(pipe_with(whole.tobytes()), sample_rate=RATE, raw_rate=rate)
    assert stream.duration is None
    expected = (whole / 32768).astype(np.float32)
    if rate != RATE:
        expected = soxr.resample(expected, rate, RATE, quality="HQ")
    np.testing.assert_allclose(joined(stream), expected, atol=1e-7)


def test_raw_pcm_of_an_odd_number_of_bytes_loses_half_a_sample():
    assert len(joined(open_stream(io.BytesIO(bytes(3201)), sample_rate=RATE, raw_rate=RATE))) == 1600


def test_a_span_of_raw_pcm():
    whole = np.round(noise(1) * 32768).astype("<i2")
    stream = open_stream(pipe_with(whole.tobytes()), sample_rate=RATE, raw_rate=RATE, start=0.5, end=0.75)
    np.testing.assert_array_equal(joined(stream), (whole[8000:12000] / 32768).astype(np.float32))


def live_wave(kind, channels, rate):
    coding, bits = {"u1": (1, 8), "<i2": (1, 16), "<i3": (1, 24), "<i4": (1, 32), "<f4": (3, 32), "<f8": (3, 64)}[kind]
    width = channels * bits // 8
    fields = struct.pack("<HHIIHH", coding, channels, rate, rate * width, width, bits)
    return b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0" + fields + b"LIST\x04\0\0\0INFOdata\xff\xff\xff\xff"


@pytest.mark.parametrize(
    ("kind", "subtype"),
    [("u1", "PCM_U8"), ("<i2", "PCM_16"), ("<i3", "PCM_24"), ("<i4", "PCM_32"), ("<f4", "FLOAT"), ("<f8", "DOUBLE")],
)
def test_a_wav_that_is_being_written_is_read_as_it_comes(kind, subtype):
    """What libsndfile makes of the same samples, block by block, before the writer has ended."""
    data = encoded(noise(0.5, channels=2), subtype=subtype)
    samples = data[data.index(b"data") + 8 :]
    reading, writing = os.pipe()
    os.write(writing, live_wave(kind, 2, RATE) + samples[:1600])
    stream = open_stream(os.fdopen(reading, "rb"), sample_rate=RATE, channel=0)
    blocks = iter(stream)
    first = next(blocks)  # would wait for ever if all of the pipe were read first
    writer = threading.Thread(target=lambda: (os.write(writing, samples[1600:32000]), os.close(writing)))
    writer.start()
    got = np.concatenate([first, *blocks])
    writer.join()
    whole = soundfile.read(io.BytesIO(data), dtype="float32")[0][: 32000 // (2 * int(kind[-1])), 0]
    np.testing.assert_array_equal(got, whole[: len(got)])
    assert len(got) == min(32000, len(samples)) // (2 * int(kind[-1]))


def test_a_pipe_of_anything_else_is_copied_first():
    samples = noise(1)
    np.testing.assert_allclose(
        joined(open_stream(pipe_with(encoded(samples, format="FLAC", subtype="PCM_24")), sample_rate=RATE)),
        samples,
        atol=1e-6,
    )


def test_memory_does_not_grow_with_the_recording(tmp_path):
    def peak(seconds):
        path = tmp_path / f"{seconds}.wav"
        with soundfile.SoundFile(path, "w", 8000, 1) as sound:
            for _ in range(seconds):
                sound.write(np.zeros(8000, np.int16))
        tracemalloc.start()
        with open_stream(path, sample_rate=RATE) as stream:
            assert sum(map(len, stream)) == seconds * RATE
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return most

    peak(2)
    assert peak(300) < peak(30) + 100_000


def test_what_is_wrong_is_told_when_it_is_met(caplog):
    data = encoded(noise(2))
    blocks = joined(open_stream(io.BytesIO(data[:64000]), sample_rate=RATE))
    assert 15000 < len(blocks) < 16000
    assert "is cut: it declares 2.00 s" in caplog.text
    with pytest.raises(AudioError, match="is cut"):
        open_stream(io.BytesIO(data[:64000]), sample_rate=RATE, strict=True)
    with pytest.raises(AudioError, match="over the limit"):
        open_stream(io.BytesIO(data), sample_rate=RATE, max_seconds=1.0)
    with pytest.raises(AudioError, match="over the limit"):
        joined(open_stream(io.BytesIO(bytes(64000)), sample_rate=RATE, raw_rate=RATE, max_seconds=1.0))


def test_the_file_is_closed_after_the_last_block_or_by_hand(tmp_path):
    path = tmp_path / "a.wav"
    path.write_bytes(encoded(noise(1)))
    before = len(list(Path("/proc/self/fd").iterdir()))
    joined(open_stream(path, sample_rate=RATE))
    with open_stream(path, sample_rate=RATE) as stream:
        next(iter(stream))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
