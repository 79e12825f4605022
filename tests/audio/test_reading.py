"""Every row of the odd-audio table: what must be read, warned about or refused."""

from __future__ import annotations

import io
import logging
import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.reading import audio_info, encode_audio, read_audio, resample, write_audio
from asr.errors import AudioError

RATE = 16000


def tone(seconds: float = 0.5, rate: int = RATE, hz: float = 440.0, level: float = 0.3) -> np.ndarray:
    """A sine (N,) float32."""
    return (level * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def encoded(samples: np.ndarray, rate: int = RATE, container: str = "WAV", subtype: str = "PCM_16") -> bytes:
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, format=container, subtype=subtype)
    return stream.getvalue()


def with_data_size(wav: bytes, size: int) -> bytes:
    """The same WAV with another size in its data chunk's header."""
    at = wav.index(b"data") + 4
    return wav[:at] + struct.pack("<I", size) + wav[at + 4 :]


def read(data: bytes, **options) -> np.ndarray:
    return read_audio(io.BytesIO(data), sample_rate=options.pop("sample_rate", RATE), **options)


@pytest.mark.parametrize(
    ("container", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 1e-2), ("WAV", "PCM_16", 1e-4), ("WAV", "PCM_24", 1e-6), ("WAV", "PCM_32", 1e-6),
        ("WAV", "FLOAT", 1e-7), ("WAV", "DOUBLE", 1e-7), ("WAV", "ULAW", 2e-2), ("WAV", "ALAW", 2e-2),
        ("FLAC", "PCM_16", 1e-4), ("AIFF", "PCM_16", 1e-4), ("AU", "PCM_16", 1e-4), ("NIST", "PCM_16", 1e-4),
        ("RF64", "PCM_16", 1e-4), ("CAF", "PCM_16", 1e-4), ("W64", "PCM_16", 1e-4),
    ],
)  # fmt: skip
def test_every_encoding_gives_the_same_samples(container, subtype, tolerance, caplog, tmp_path):
    samples = tone()
    data = encoded(samples, container=container, subtype=subtype)
    result = read(data)
    assert result.dtype == np.float32
    assert result.shape == samples.shape
    np.testing.assert_allclose(result, samples, atol=tolerance)
    (tmp_path / "audio").write_bytes(data)
    np.testing.assert_array_equal(read_audio(tmp_path / "audio", sample_rate=RATE), result)
    assert not caplog.records  # nothing wrong with any of them


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 44100, 48000, 96000])
def test_other_rates_are_resampled_to_the_same_tone(rate):
    result = read(encoded(tone(rate=rate), rate))
    assert abs(len(result) - RATE // 2) <= 1
    middle = slice(800, -800)  # the filter's edges are not part of the tone
    n = min(len(result), RATE // 2)
    np.testing.assert_allclose(result[:n][middle], tone()[:n][middle], atol=2e-3)


def test_resampling_down_removes_what_would_alias():
    """7 kHz cannot be held at 8 kHz sampling; a poor resampler would fold it to 1 kHz."""
    result = resample(tone(hz=7000), RATE, 8000)
    assert np.abs(result[400:-400]).max() < 1e-3


def test_channels_are_averaged_or_chosen():
    left, right = tone(hz=300), tone(hz=500, level=0.1)
    stereo = encoded(np.stack([left, right], axis=1), subtype="FLOAT")
    np.testing.assert_allclose(read(stereo), (left + right) / 2, atol=1e-7)
    np.testing.assert_allclose(read(stereo, channel=1), right, atol=1e-7)
    with pytest.raises(AudioError, match="no channel 2; choose from 0 to 1"):
        read(stereo, channel=2)


@pytest.mark.parametrize("container", ["WAV", "FLAC", "OGG"])
def test_a_span_equals_the_slice_of_the_whole(container, tmp_path):
    path = tmp_path / "recording"
    subtype = "VORBIS" if container == "OGG" else "PCM_16"
    path.write_bytes(encoded(tone(3.0), container=container, subtype=subtype))
    whole = read_audio(path, sample_rate=RATE)
    np.testing.assert_array_equal(read_audio(path, sample_rate=RATE, start=1.1, duration=0.7), whole[17600:28800])


def test_a_span_reads_no_more_than_it_needs(tmp_path):
    """Seeking, not decoding from the beginning: damage before the span is never seen."""
    path = tmp_path / "long.wav"
    write_audio(path, tone(60), RATE)
    bytes_read = 0

    class Counting(io.FileIO):
        def readinto(self, buffer):
            nonlocal bytes_read
            count = super().readinto(buffer)
            bytes_read += count or 0
            return count

        def read(self, size=-1):
            nonlocal bytes_read
            piece = super().read(size)
            bytes_read += len(piece or b"")
            return piece

    with Counting(path) as stream:
        assert len(read_audio(stream, sample_rate=RATE, start=50, duration=1)) == RATE
    assert bytes_read < 3 * 2 * RATE  # of 60 seconds


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_non_finite_samples_are_refused_with_their_place(bad):
    samples = tone()
    samples[4000] = bad
    with pytest.raises(AudioError, match=r"non-finite sample at 0\.250 s"):
        read(encoded(samples, subtype="FLOAT"))


def test_samples_over_full_scale_are_limited_with_a_warning(caplog):
    result = read(encoded(tone(level=40.0), subtype="FLOAT"))
    assert np.abs(result).max() == 1.0
    assert "clipped" in caplog.text


def test_a_clipped_recording_is_read_with_a_warning(caplog):
    read(encoded(np.clip(tone(level=2.0), -1, 1)))
    assert "% of the samples are clipped" in caplog.text


def test_header_only_is_empty_with_a_warning(caplog):
    assert read(encoded(np.zeros(0, np.float32))).shape == (0,)
    assert "holds no samples" in caplog.text


def test_header_only_followed_by_tags_is_empty_too(caplog):
    tags = b"LIST" + struct.pack("<I", 4) + b"INFO"
    assert read(encoded(np.zeros(0, np.float32)) + tags).shape == (0,)


@pytest.mark.parametrize("container", ["WAV", "AIFF", "AU", "NIST", "RF64", "FLAC"])
def test_a_file_cut_mid_data_warns_and_strictly_fails(container, caplog):
    data = encoded(np.random.default_rng(0).normal(0, 0.1, 3 * RATE), container=container)
    cut = data[: len(data) // 2]
    result = read(cut)
    assert RATE < len(result) < 1.6 * RATE
    assert "cut" in caplog.text
    np.testing.assert_array_equal(result, read(data)[: len(result)])
    with pytest.raises(AudioError, match="cut"):
        read(cut, strict=True)


@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFF000, 0x7FFFFFDB])
def test_a_streamed_header_is_accepted_silently(size, caplog):
    wav = encoded(tone())
    np.testing.assert_array_equal(read(with_data_size(wav, size), strict=True), read(wav))
    assert not caplog.records


def test_data_size_zero_with_bytes_following_is_an_error():
    with pytest.raises(AudioError, match="declares no samples but 16000 bytes follow"):
        read(with_data_size(encoded(tone()), 0))


def test_flac_from_a_pipe_without_its_length_is_read_to_the_end():
    intact = encoded(tone(), container="FLAC")
    data = bytearray(intact)
    data[21] &= 0xF0  # STREAMINFO's 36-bit number of samples: 0 means unknown
    data[22:26] = bytes(4)
    np.testing.assert_array_equal(read(bytes(data)), read(intact))
    assert audio_info(io.BytesIO(bytes(data))).frames == -1
    with pytest.raises(AudioError, match="over the limit"):
        read(bytes(data), max_seconds=0.25)


def test_the_length_is_capped_before_decoding():
    """Silence compresses without bound: the declared length is checked first."""
    data = encoded(np.zeros(600 * 8000, np.int16), rate=8000, container="FLAC")
    assert len(data) < 50_000
    with pytest.raises(AudioError, match=r"0\.17 h long, over the limit of 0\.10 h"):
        read(data, max_seconds=360)
    assert len(read(data, max_seconds=360, start=590)) == 10 * RATE  # a short span of a long file is fine


def test_a_span_outside_the_recording_is_an_error(caplog):
    data = encoded(tone(1.0))
    with pytest.raises(AudioError, match="before the span that starts at"):
        read(data, start=2.0)
    with pytest.raises(AudioError, match="no span"):
        read(data, start=-1.0)
    with pytest.raises(AudioError, match="no span"):
        read(data, start=float("nan"))
    assert len(read(data, start=0.5, duration=2.0)) == RATE // 2
    assert "before the span" in caplog.text
    with pytest.raises(AudioError, match="before the span"):
        read(data, start=0.5, duration=2.0, strict=True)


def test_unreadable_things_are_named_with_a_remedy(tmp_path):
    cases = {
        tmp_path / "none.wav": "does not exist",
        tmp_path: "is a folder",
        tmp_path / "empty.wav": "is an empty file",
        tmp_path / "notes.raw": "is not audio .*ffmpeg",
        tmp_path / "speech.sph": "compressed with shorten; decompress it: sph2pipe",
    }
    (tmp_path / "empty.wav").touch()
    (tmp_path / "notes.raw").write_text("these are words\n" * 100)
    sphere = encoded(tone(), container="NIST")
    coding = b"sample_coding -s26 pcm,embedded-shorten-v2.00"
    (tmp_path / "speech.sph").write_bytes(sphere.replace(b"sample_coding -s3 pcm", coding))
    for path, reason in cases.items():
        with pytest.raises(AudioError, match=reason) as caught:
            read_audio(path, sample_rate=RATE)
        assert str(path) in str(caught.value)


def test_standard_input_that_cannot_seek_is_read():
    reader, writer = os.pipe()
    data = encoded(tone())

    def feed() -> None:
        with os.fdopen(writer, "wb") as pipe:
            pipe.write(data)

    feeder = threading.Thread(target=feed)
    feeder.start()
    with os.fdopen(reader, "rb") as stream:
        np.testing.assert_array_equal(read_audio(stream, sample_rate=RATE), read(data))
    feeder.join()


def test_info_agrees_with_what_is_read(tmp_path):
    path = tmp_path / "a.flac"
    write_audio(path, tone(1.25, 8000), 8000)
    info = audio_info(path)
    assert (info.sample_rate, info.channels, info.frames, info.duration) == (8000, 1, 10000, 1.25)


def test_written_audio_is_deterministic_and_reads_back(tmp_path):
    for name in ("a.wav", "b.wav"):
        write_audio(tmp_path / name, tone(), RATE)
    assert (tmp_path / "a.wav").read_bytes() == (tmp_path / "b.wav").read_bytes()
    np.testing.assert_allclose(read_audio(tmp_path / "a.wav", sample_rate=RATE), tone(), atol=1e-4)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "b.wav"]


CONTAINERS = ["WAV", "FLAC", "AIFF", "NIST", "AU", "CAF", "OGG", "MP3"]


def read_mutants(container: str, count: int, path: Path) -> int:
    """Change bytes near the beginning of a file at random `count` times; returns how many could still be read.

    One mutant in ten goes through `path`, the others are read from memory.
    """
    subtype = {"OGG": "VORBIS", "MP3": "MPEG_LAYER_III"}.get(container, "PCM_16")
    data = encoded(tone(0.2), container=container, subtype=subtype)
    generator = np.random.default_rng(len(container))
    opened = 0
    for number in range(count):
        mutant = bytearray(data)
        for _ in range(generator.integers(1, 6)):
            mutant[generator.integers(0, min(128, len(mutant)))] = generator.integers(0, 256)
        try:
            if number % 10 == 0:
                path.write_bytes(mutant)
            source = path if number % 10 == 0 else io.BytesIO(mutant)
            result = read_audio(source, sample_rate=RATE, max_seconds=3600)
        except AudioError:
            continue
        opened += 1
        assert result.dtype == np.float32
        assert np.isfinite(result).all()
    return opened


@pytest.mark.parametrize("container", ["OGG", "MP3"])
def test_lossy_encodings_read_the_same_from_a_path_and_from_memory(container, tmp_path):
    data = encoded(tone(), container=container, subtype={"OGG": "OPUS", "MP3": "MPEG_LAYER_III"}[container])
    (tmp_path / "audio").write_bytes(data)
    result = read_audio(tmp_path / "audio", sample_rate=RATE)
    np.testing.assert_array_equal(result, read(data))
    np.testing.assert_allclose(result[2000:6000], tone()[2000:6000], atol=0.05)


@pytest.mark.parametrize("container", CONTAINERS)
def test_mutated_headers_only_ever_raise_audio_errors(container, caplog, capfd, tmp_path):
    caplog.set_level(logging.CRITICAL)
    assert read_mutants(container, 250, tmp_path / "mutant") > 0 or container == "OGG"  # whose pages carry checksums
    assert "Traceback" not in capfd.readouterr().err  # an exception inside libsndfile's callbacks would be printed


@pytest.mark.slow
@pytest.mark.parametrize("container", CONTAINERS)
def test_many_mutated_headers_only_ever_raise_audio_errors(container, caplog, tmp_path):
    """20,000 mutants in all. Last run: 22 November 2026, 11 s."""
    caplog.set_level(logging.CRITICAL)
    read_mutants(container, 2500, tmp_path / "mutant")


def test_a_file_object_stays_open_for_its_owner():
    stream = io.BytesIO(encoded(tone()))
    first = read_audio(stream, sample_rate=RATE)
    np.testing.assert_array_equal(read_audio(stream, sample_rate=RATE), first)


def test_unusual_names_are_read(tmp_path: Path):
    path = tmp_path / "grüße \n 語.wav"
    write_audio(path, tone(), RATE)
    assert len(read_audio(str(path), sample_rate=RATE)) == RATE // 2


@pytest.mark.parametrize("container", ["WAV", "FLAC"])
def test_every_sixteen_bit_sample_survives_being_read_and_written(tmp_path, container):
    every = np.arange(-32768, 32768, dtype=np.int16)
    path = tmp_path / f"a.{container.lower()}"
    soundfile.write(path, every, RATE)
    path.write_bytes(encode_audio(read_audio(path, sample_rate=RATE), RATE, container))
    assert np.array_equal(soundfile.read(path, dtype="int16")[0], every)
