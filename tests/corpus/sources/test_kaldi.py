"""Kaldi data directories: what other programs write is read, and what we write reads back the same."""

from __future__ import annotations

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.kaldi import prepare, read_data_directory, write_data_directory
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError


def table(path, lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(lines)


@pytest.fixture
def data(tmp_path, make_audio):
    """Two recordings, three segments; one of them to the end, one without a text."""
    folder = tmp_path / "data"
    first, second = make_audio(tmp_path / "one.wav", 3.0), make_audio(folder / "two.wav", 2.0)
    table(folder / "wav.scp", f"r1 {first}\nr2 {second.name}\n")
    table(folder / "segments", "s1-a r1 0.5 1.25\ns1-b r1 1.5 3.0\ns2-a r2 0.25 -1\ns2-b r2 0 0.2 0\n")
    table(folder / "text", "s1-a HELLO  THERE\ns1-b\ns2-a GOOD BYE\n")
    table(folder / "utt2spk", "s1-a s1\ns1-b s1\ns2-a s2\ns2-b s2\n")
    return folder


def test_segments_texts_and_speakers(data, tmp_path, caplog):
    first, empty, last = read_data_directory(data)
    assert first == Utterance("s1-a", str(tmp_path / "one.wav"), 0.5, 0.75, None, "HELLO THERE", "s1")
    assert empty.text == ""
    assert (last.audio, last.start, last.duration) == (str(data / "two.wav"), 0.25, pytest.approx(1.75))
    assert "1 utterances have no text and are left out, s2-b first" in caplog.text


def test_without_segments_each_recording_is_an_utterance(data):
    (data / "segments").unlink()
    table(data / "text", "r1 A\nr2 B\n")
    table(data / "utt2spk", "r1 r1\nr2 ann\n")
    assert [(u.id, u.duration, u.speaker) for u in read_data_directory(data)] == [("r1", 3.0, ""), ("r2", 2.0, "ann")]


def test_writing_and_reading_back(data, tmp_path):
    utterances = read_data_directory(data)
    assert write_data_directory(utterances, tmp_path / "again") == 3
    assert read_data_directory(tmp_path / "again") == utterances
    assert (tmp_path / "again" / "spk2utt").read_text() == "s1 s1-a s1-b\ns2 s2-a\n"


def test_whole_recordings_need_no_segments(tmp_path, make_audio):
    audio = [make_audio(tmp_path / name / "same.wav", 0.5) for name in ("x", "y")]
    utterances = [Utterance(i, str(path), 0.0, 0.5, text="A", speaker="") for i, path in zip("Ba", audio, strict=True)]
    write_data_directory(utterances, tmp_path / "out")
    assert not (tmp_path / "out" / "segments").exists()
    assert (tmp_path / "out" / "wav.scp").read_text() == f"B {audio[0]}\na {audio[1]}\n"  # the C locale's order
    assert (tmp_path / "out" / "utt2spk").read_text() == "B B\na a\n"
    assert read_data_directory(tmp_path / "out") == utterances


def test_parts_of_recordings_that_share_a_file_name(tmp_path, make_audio):
    audio = [make_audio(tmp_path / name / "same.wav", 2.0) for name in ("x", "y")]
    utterances = [Utterance(f"u{i}", str(path), 0.5, 1.0, text="A") for i, path in enumerate(audio)]
    write_data_directory(utterances, tmp_path / "out")
    assert read_data_directory(tmp_path / "out") == utterances


@pytest.mark.parametrize(
    ("name", "lines", "reason"),
    [
        ("wav.scp", "r1 sph2pipe -f wav a.sph |\n", r"r1 is a command, not a file: .*; run it once"),
        ("wav.scp", "r1\n", "r1 names no file"),
        ("segments", "s1-a r1 0.5\n", "s1-a is not 'recording start end'"),
        ("segments", "s1-a r9 0.5 1\n", "is in r9, which wav.scp lacks"),
        ("text", "s1-a A\ns1-a B\n", r"text:2: repeats s1-a"),
    ],
)
def test_what_cannot_be_used_is_named(data, name, lines, reason):
    table(data / name, lines)
    with pytest.raises(CorpusError, match=reason):
        read_data_directory(data)


def test_paths_may_be_relative_to_the_working_directory(tmp_path, make_audio, monkeypatch):
    audio = make_audio(tmp_path / "wavs" / "a.wav", 0.5)
    table(tmp_path / "data" / "wav.scp", "a wavs/a.wav\n")
    table(tmp_path / "data" / "text", "a A\n")
    monkeypatch.chdir(tmp_path)
    assert read_data_directory("data")[0].audio == str(audio)


def test_a_missing_table_is_named(data):
    (data / "text").unlink()
    with pytest.raises(CorpusError, match="text: cannot be read"):
        read_data_directory(data)


def test_prepare_takes_several_directories(tmp_path, make_audio):
    for name, count in (("train_si84", 4), ("dev", 1), ("test_eval92", 2)):
        folder = tmp_path / "data" / name
        for i in range(count):
            make_audio(folder / f"{name}{i}.wav", 0.2)
        table(folder / "wav.scp", "".join(f"{name}{i} {name}{i}.wav\n" for i in range(count)))
        table(folder / "text", "".join(f"{name}{i} A\n" for i in range(count)))
    assert prepare(tmp_path / "data", tmp_path / "out") == {"train": 4, "dev": 1, "test": 2}
    chosen = prepare(tmp_path / "data", tmp_path / "out", train=["train_si84"], test=["dev"])
    assert chosen == {"train": 3, "dev": 1, "test": 1}  # without dev, part of train is held out
    assert prepare(tmp_path / "data" / "train_si84", tmp_path / "out") == {"train": 2, "dev": 1, "test": 1}
    with pytest.raises(CorpusError, match="holds no data directory"):
        prepare(tmp_path / "out", tmp_path / "out")
    assert load_manifest(tmp_path / "out" / "test.jsonl")


@pytest.mark.parametrize("blank", ["\t", " \t ", "   "])
@pytest.mark.parametrize("name", ["wav.scp", "text", "utt2spk", "segments"])
def test_any_blanks_stand_between_key_and_value(data, name, blank):
    expected = read_data_directory(data)
    lines = (data / name).read_text().splitlines()
    table(data / name, "".join(line.replace(" ", blank, 1) + "\r\n" for line in lines))
    assert read_data_directory(data) == expected


@pytest.mark.parametrize("blank", ["\u2028", "\x85", "\x0b", "\x0c", "\u00a0", "\u3000"])
def test_white_space_of_unicode_neither_cuts_a_text_nor_begins_a_line(data, blank):
    (data / "text").write_text(f"\ufeffs1-a HELLO{blank}THERE\ns1-b A\ns2-a B\n", encoding="utf-8", newline="")
    assert [u.text for u in read_data_directory(data)] == ["HELLO THERE", "A", "B"]


@pytest.mark.parametrize("times", ["nan 1.0", "0 nan", "0 inf", "zero 1"])
def test_times_that_are_no_numbers_are_refused(data, times):
    table(data / "segments", f"s1-a r1 {times}\n")
    with pytest.raises(CorpusError, match="segments: s1-a is not 'recording start end'"):
        read_data_directory(data)


def test_texts_without_a_recording_are_told_of(data, caplog):
    with (data / "text").open("a") as stream:
        stream.write("u8 NOBODY\nu9 SAID THIS\n")
    read_data_directory(data)
    assert "2 texts have no recording or segment and are left out, u8 first" in caplog.text
