"""Joined files: every part is read, whatever was appended to whatever; and what is not read is told of."""

import io
import shutil
import struct
import subprocess

import numpy as np
import pytest
import soundfile

from asr.audio.header import is_placeholder, read_promise
from asr.audio.mpeg import mpeg_streams, parse_frame, skip_tags
from asr.audio.parts import layout_of
from asr.audio.reading import audio_duration, audio_info, read_audio
from asr.errors import AudioError

RATE = 16000
KINDS = {
    "wav": {"format": "WAV", "subtype": "PCM_16"},
    "wav24": {"format": "WAV", "subtype": "PCM_24"},
    "flac": {"format": "FLAC", "subtype": "PCM_16"},
    "ogg": {"format": "OGG", "subtype": "VORBIS"},
    "opus": {"format": "OGG", "subtype": "OPUS"},
    "mp3": {"format": "MP3", "subtype": "MPEG_LAYER_III"},
}


def tone(hz, seconds=0.5, rate=RATE):
    return 0.3 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)


def encoded(kind, samples, rate=RATE):
    stream = io.BytesIO()
    soundfile.write(stream, samples, rate, **KINDS[kind])
    return stream.getvalue()


def read(data, **options):
    return read_audio(io.BytesIO(data), sample_rate=options.pop("sample_rate", RATE), **options)


def loudest(samples):
    """The frequency (Hz) with the most power."""
    return np.argmax(np.abs(np.fft.rfft(samples))) * RATE / len(samples)


@pytest.mark.parametrize("kind", ["wav", "wav24", "flac", "ogg", "opus", "mp3"])
@pytest.mark.parametrize("count", [2, 3])
def test_joined_files_are_their_parts_one_after_another(kind, count, tmp_path, caplog):
    parts = [encoded(kind, tone(hz)) for hz in (500, 1000, 2000)[:count]]
    path = tmp_path / "joined"
    path.write_bytes(b"".join(parts))
    expected = np.concatenate([read(part) for part in parts])
    np.testing.assert_array_equal(read_audio(path, sample_rate=RATE), expected)
    np.testing.assert_array_equal(read(path.read_bytes()), expected)
    assert audio_info(path).duration == pytest.approx(0.5 * count, abs=0.01)
    assert f"{count} recordings joined in one file" in caplog.text
    np.testing.assert_array_equal(
        read_audio(path, sample_rate=RATE, start=0.4, duration=0.3), expected[round(0.4 * RATE) : round(0.7 * RATE)]
    )


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg", "mp3"])
def test_parts_of_other_rates_and_channels_fit_the_first(kind):
    stereo = np.stack([tone(1000, rate=44100)] * 2, axis=1)
    whole = read(encoded(kind, tone(500)) + encoded(kind, stereo, 44100))
    assert len(whole) == pytest.approx(RATE, abs=0.01 * RATE)
    assert loudest(whole[: RATE // 2]) == pytest.approx(500, abs=5)
    assert loudest(whole[-RATE // 4 :]) == pytest.approx(1000, abs=10)


def test_other_things_between_and_after_the_parts_do_no_harm(caplog):
    """Tags between MP3 files, chunks after the samples of WAV files, an odd number of bytes without padding."""
    mp3 = [encoded("mp3", tone(hz)) for hz in (500, 1000)]
    tag = b"ID3\x03\0\0\0\0\x02\x00" + bytes(256)
    expected = np.concatenate([read(part) for part in mp3])
    for data in (tag + mp3[0] + tag + mp3[1], mp3[0] + b"TAG" + bytes(125) + mp3[1] + b"TAG" + bytes(125)):
        np.testing.assert_array_equal(read(data), expected)
    eight = io.BytesIO()
    soundfile.write(eight, tone(500, 0.50006), RATE, format="WAV", subtype="PCM_U8")
    odd = eight.getvalue()
    assert len(read(odd.rstrip(b"\0") if len(odd) % 2 else odd)) > 8000
    listed = encoded("wav", tone(500)) + b"LIST\x04\0\0\0INFO"
    caplog.clear()
    assert len(read(listed)) == 8000
    assert len(read(listed + listed)) == 16000
    assert "follow that are not read" not in caplog.text


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (44100, 2), (48000, 1), (22050, 2)])
def test_mp3_without_its_xing_header_is_read_to_the_end(rate, channels):
    """Variable bit rate: the first frame says nothing of the length."""
    silence_then_noise = np.concatenate([np.zeros(rate), 0.3 * np.random.default_rng(0).standard_normal(rate)])
    stream = io.BytesIO()
    samples = silence_then_noise if channels == 1 else np.stack([silence_then_noise] * 2, axis=1)
    soundfile.write(stream, samples.clip(-1, 1), rate, format="MP3", bitrate_mode="VARIABLE", compression_level=0.3)
    data = stream.getvalue()
    place = max(data.find(b"Xing"), data.find(b"Info"))
    assert place > 0
    for changed in (data[:place] + bytes(4) + data[place + 4 :], data[parse_frame(data[:4]).length :]):
        whole = read_audio(io.BytesIO(changed), sample_rate=rate)
        assert len(whole) / rate == pytest.approx(2.0, abs=0.15)
        assert np.std(whole[-rate // 4 :]) > 0.05


def test_frames_of_mpeg_by_the_tables_of_the_standard():
    assert parse_frame(bytes.fromhex("fffb9064")).length == 417  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz
    assert parse_frame(bytes.fromhex("fffb9264")).length == 418  # padded
    assert parse_frame(bytes.fromhex("fff388c4")).length == 72 * 64000 // 16000  # MPEG-2 layer III
    assert parse_frame(bytes.fromhex("fffd9064")).length == 144 * 160000 // 44100  # layer II
    for head in ("fff15080", "ffeb9064", "fffbf064", "fffb0064", "fffb9c64", "00000000", "ff"):
        assert parse_frame(bytes.fromhex(head)) is None


def test_tags_are_skipped_as_often_as_they_come():
    tag = b"ID3\x03\x00\x00\x00\x00\x00\x05" + bytes(5)
    ape = b"APETAGEX" + struct.pack("<IIII", 2000, 40, 1, 0xA0000000) + bytes(8) + bytes(40)
    data = tag + tag + ape + b"TAG" + bytes(125) + b"here"
    at = lambda offset, count: data[offset : offset + count]  # noqa: E731
    assert data[skip_tags(at, 0) :] == b"here"


def test_random_bytes_are_one_part_and_end():
    draw = np.random.default_rng(0)
    for beginning in (b"", b"\xff", b"OggS", b"fLaC", b"RIFF\0\0\0\0WAVE", b"ID3"):
        data = beginning + draw.bytes(200_000)
        layout = layout_of(io.BytesIO(data))
        assert layout.parts
        assert all(part.begin < part.end <= len(data) for part in layout.parts)


@pytest.mark.parametrize("kind", ["ogg", "opus"])
def test_a_cut_ogg_is_told_of(kind, caplog):
    data = encoded(kind, tone(500, 3.0))
    read(data[: len(data) * 6 // 10])
    assert "ends within a page" in caplog.text
    with pytest.raises(AudioError, match="ends within a page"):
        read(data[: len(data) * 6 // 10], strict=True)
    last = data.rindex(b"OggS")
    with pytest.raises(AudioError, match="ends without its last page"):
        read(data[:last], strict=True)
    caplog.clear()
    read(data, strict=True)
    assert not caplog.records


def test_a_cut_wave64_is_told_of(caplog):
    stream = io.BytesIO()
    soundfile.write(stream, tone(500, 2.0), RATE, format="W64", subtype="PCM_16")
    data = stream.getvalue()
    assert read_promise(io.BytesIO(data)).frames == 2 * RATE
    read(data[: len(data) // 2])
    assert "is cut: it declares 2.00 s" in caplog.text


def longer(data, container):
    """The same samples, of which the header claims only the first half."""
    if container == "WAV":
        at = data.index(b"data") + 4
        return data[:at] + struct.pack("<I", (len(data) - at - 4) // 2) + data[at + 4 :]
    return data[:8] + struct.pack(">I", struct.unpack(">I", data[8:12])[0] // 2) + data[12:]


@pytest.mark.parametrize("container", ["WAV", "AU"])
def test_samples_that_the_header_does_not_claim_are_told_of(container, caplog):
    stream = io.BytesIO()
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * RATE)
    soundfile.write(stream, noise, RATE, format=container, subtype="PCM_16")
    data = longer(stream.getvalue(), container)
    assert len(read(data)) == RATE
    assert "declares 1.00 s of sound, and 1.00 s more follow that are not read" in caplog.text
    with pytest.raises(AudioError, match="more follow"):
        read(data, strict=True)


@pytest.mark.parametrize(
    "size",
    [0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFF00, 0xFFFFFFFF - 36, 0xFFFFFFFF - 44, 0x80000000, 0x7FFFFFFF, 0x7FFFF000],
)  # fmt: skip
def test_sizes_that_pipes_leave_are_placeholders(size, caplog):
    data = encoded("wav", tone(500))
    at = data.index(b"data") + 4
    assert is_placeholder(size)
    assert len(read(data[:at] + struct.pack("<I", size) + data[at + 4 :], strict=True)) == 8000
    assert not caplog.records


@pytest.mark.parametrize("size", [0, 1, 44, 2**30, 2**31 - 2**20, 2**31 + 2, 2**32 - 2**20])
def test_other_sizes_are_meant(size):
    assert not is_placeholder(size)


def test_streams_of_nothing():
    assert mpeg_streams(lambda offset, count: b"", 0, 0) == []


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
@pytest.mark.parametrize(
    ("name", "codec"), [("a.m4a", "aac"), ("a.webm", "libopus"), ("a.mka", "flac"), ("a.ac3", "ac3")]
)
def test_what_ffmpeg_reads(name, codec, tmp_path):
    """The same sound as before it was encoded; a channel and a span of it; from a pipe, too."""
    stereo = np.stack([tone(500, 1.0), tone(1000, 1.0)], axis=1)
    soundfile.write(tmp_path / "in.wav", stereo, RATE)
    quiet = ["ffmpeg", "-v", "error", "-i", str(tmp_path / "in.wav"), "-ar", "48000"]
    subprocess.run([*quiet, "-c:a", codec, str(tmp_path / name)], check=True)
    info = audio_info(tmp_path / name)
    assert (info.sample_rate, info.channels) == (48000, 2)
    assert info.duration == pytest.approx(1.0, abs=0.1)
    assert audio_duration(tmp_path / name) == pytest.approx(1.0, abs=0.1)
    for channel, hz in ((0, 500), (1, 1000)):
        samples = read_audio(tmp_path / name, sample_rate=RATE, channel=channel, start=0.2, duration=0.5)
        assert len(samples) == RATE // 2
        assert loudest(samples) == pytest.approx(hz, abs=5)
    whole = read_audio(tmp_path / name, sample_rate=RATE)
    np.testing.assert_array_equal(read((tmp_path / name).read_bytes()), whole)


@pytest.mark.parametrize(
    "head",
    [b"\0\0\0 ftypM4A ", b"\x1aE\xdf\xa3", bytes.fromhex("3026b2758e66cf11"), b"\xff\xf1P\x80\x02\x1f\xfc"],
)
def test_without_ffmpeg_the_message_names_it_and_with_it_broken_files_are_named(head, tmp_path, monkeypatch):
    path = tmp_path / "memo"
    path.write_bytes(head + bytes(3000))
    with pytest.raises(AudioError, match="ffmpeg"):
        read_audio(path, sample_rate=RATE)
    monkeypatch.setenv("PATH", "")
    with pytest.raises(AudioError, match="install ffmpeg"):
        read_audio(path, sample_rate=RATE)


def test_what_is_no_sound_is_not_given_to_ffmpeg(tmp_path, monkeypatch):
    monkeypatch.setattr("asr.audio.ffmpeg.program", lambda: pytest.fail("asked for ffmpeg"))
    for content in (b"a letter to a friend\n" * 100, b"%PDF-1.4" + bytes(2000), np.arange(5000, dtype="<i2").tobytes()):
        (tmp_path / "x").write_bytes(content)
        with pytest.raises(AudioError, match="is not audio that libsndfile reads"):
            read_audio(tmp_path / "x", sample_rate=RATE)
