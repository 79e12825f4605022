"""Your own data: a table or a folder becomes three manifests, by speaker where speakers are known."""

from __future__ import annotations

import os

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.own import prepare
from asr.errors import CorpusError, TableError, UsageError


@pytest.fixture
def recordings(tmp_path, make_audio):
    for i in range(20):
        make_audio(tmp_path / "audio" / f"r{i:02d}.wav", 0.1 + i / 100)
    return tmp_path


def everything(folder):
    return {name: load_manifest(folder / f"{name}.jsonl") for name in ("train", "dev", "test")}


@pytest.mark.parametrize(("delimiter", "bom"), [(",", ""), (";", ""), ("\t", "\ufeff")])
def test_a_table_in_the_forms_that_spreadsheets_write(recordings, delimiter, bom):
    rows = [delimiter.join((f"audio/r{i:02d}.wav", f'"Say ""{i}"",  please; now"')) for i in range(20)]
    (recordings / "t.csv").write_text(bom + "\r\n".join([f"audio{delimiter}text", *rows]) + "\r\n")
    assert prepare(recordings / "out", csv_file=recordings / "t.csv") == {"train": 16, "dev": 2, "test": 2}
    utterances = {u.id: u for split in everything(recordings / "out").values() for u in split}
    assert utterances["audio-r07"].text == 'Say "7", please; now'
    assert utterances["audio-r07"].duration == pytest.approx(0.17)


def test_speakers_are_not_shared_by_splits(recordings):
    rows = [f"audio/r{i:02d}.wav,HI,s{i % 5}" for i in range(20)]
    (recordings / "t.csv").write_text("\n".join(["audio,text,speaker", *rows]))
    assert prepare(recordings / "out", csv_file=recordings / "t.csv") == {"train": 12, "dev": 4, "test": 4}
    speakers = [{u.speaker for u in split} for split in everything(recordings / "out").values()]
    assert sum(map(len, speakers)) == len(set.union(*speakers)) == 5


def test_three_unequal_speakers_each_get_a_split(recordings):
    rows = [f"audio/r{i:02d}.wav,HI,{'big' if i > 1 else f'small{i}'}" for i in range(20)]
    (recordings / "t.csv").write_text("\n".join(["audio,text,speaker", *rows]))
    counts = prepare(recordings / "out", csv_file=recordings / "t.csv")
    assert sorted(counts.values()) == [1, 1, 18]


def test_two_speakers_are_divided_by_utterance_with_a_warning(recordings, caplog):
    rows = [f"audio/r{i:02d}.wav,HI,s{i % 2}" for i in range(20)]
    (recordings / "t.csv").write_text("\n".join(["audio,text,speaker", *rows]))
    assert prepare(recordings / "out", csv_file=recordings / "t.csv") == {"train": 16, "dev": 2, "test": 2}
    assert "the same voice may be in" in caplog.text


def test_a_folder_with_texts_beside(tmp_path, make_audio):
    for speaker in ("ann", "bob", "cy", "dee"):
        for i in range(3):
            make_audio(tmp_path / "in" / speaker / f"take {i}.wav", 0.2).with_suffix(".txt").write_text(f"Take\n{i}\n")
    assert prepare(tmp_path / "out", folder=tmp_path / "in") == {"train": 6, "dev": 3, "test": 3}
    split = everything(tmp_path / "out")
    utterance = split["dev"][0]
    assert utterance.id == f"{utterance.speaker}-take_0"
    assert utterance.text == "Take 0"


def test_repeating_gives_the_same_bytes_in_any_row_order(recordings):
    rows = [f"audio/r{i:02d}.wav,HI" for i in range(20)]
    for out, ordered in (("one", rows), ("two", rows[::-1])):
        (recordings / "t.csv").write_text("\n".join(["audio,text", *ordered]))
        prepare(recordings / out, csv_file=recordings / "t.csv")
    for name in ("train", "dev", "test"):
        one, two = ((recordings / out / f"{name}.jsonl").read_bytes() for out in ("one", "two"))
        assert one == two


def test_all_bad_rows_are_counted_and_the_first_named(recordings):
    rows = [f"audio/x{i}.wav,HI" for i in range(7)]
    (recordings / "t.csv").write_text("\n".join(["audio,text", "audio/r00.wav,HI", *rows]))
    with pytest.raises(CorpusError, match=r"7 recordings cannot be used: .*t\.csv:3: .*x0\.wav does not exist.*2 more"):
        prepare(recordings / "out", csv_file=recordings / "t.csv")
    assert not (recordings / "out").exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("sound,text\na,b\n", "lacks the column audio"),
        ("sound,words\na,b\n", "lacks the column audio and text"),
        ("", "is an empty table"),
        ("audio,text\n,HI\n", r"t\.csv:2: has an empty audio"),
        ("audio,text\naudio/r00.wav\n", r"t\.csv:2: line 2 has 1 fields where the header has 2"),
        ("audio,text\naudio/r00.wav,no, thank you\n", r"t\.csv:2: line 2 has 3 fields"),
        ("audio;text\naudio/r00.wav;a;b\n", r"t\.csv:2: line 2 has 3 fields"),
        ("audio,text\n", "holds no recordings"),
        ("audio,text\naudio/r00.wav,HI\n", "too few for train, dev and test"),
    ],
)
def test_unusable_tables_are_named(recordings, content, reason):
    (recordings / "t.csv").write_text(content)
    with pytest.raises((CorpusError, TableError), match=reason):
        prepare(recordings / "out", csv_file=recordings / "t.csv")


def test_a_recording_without_its_text_is_named(recordings):
    with pytest.raises(CorpusError, match=r"r00\.txt: cannot be read .*write what is said in r00\.wav"):
        prepare(recordings / "out", folder=recordings / "audio")


def test_exactly_one_source(recordings):
    for sources in ({}, {"csv_file": "t.csv", "folder": "in"}):
        with pytest.raises(UsageError, match="give either --csv FILE or --folder DIR"):
            prepare(recordings / "out", **sources)
    with pytest.raises(UsageError, match="share"):
        prepare(recordings / "out", folder=recordings, share=0.5)


def rows_of(folder):
    return sorted((u.id, u.text, u.speaker) for split in everything(folder).values() for u in split)


@pytest.mark.parametrize(
    "rewrite",
    [
        lambda t: "sep=;\r\n" + t.replace(",", ";"),
        lambda t: t.replace("audio,text,speaker", "Path, Sentence ,CLIENT_ID"),
        lambda t: t.replace("audio,text,speaker", "wav_filename,transcript,speaker"),
        lambda t: t.replace("\n", "\r"),
        lambda t: t + ",,\r\n,,\r\n\r\n",
        lambda t: t.replace("audio/", "audio\\"),
    ],
    ids=["sep", "names", "deepspeech", "cr", "empty rows", "backslashes"],
)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_tables_of_other_programs_say_the_same(recordings, rewrite, encoding):
    table = "\n".join(["audio,text,speaker", *(f"audio/r{i:02d}.wav,grün {i},s{i % 5}" for i in range(20))]) + "\n"
    (recordings / "plain.csv").write_text(table)
    (recordings / "other.csv").write_bytes(rewrite(table).encode(encoding))
    prepare(recordings / "one", csv_file=recordings / "plain.csv")
    prepare(recordings / "two", csv_file=recordings / "other.csv")
    assert rows_of(recordings / "one") == rows_of(recordings / "two")
    assert len(rows_of(recordings / "one")) == 20


def test_another_encoding_is_named_with_what_converts_it(recordings):
    (recordings / "t.csv").write_bytes("audio,text\naudio/r00.wav,grün\n".encode("cp1252"))
    with pytest.raises(CorpusError, match=r"t\.csv: is not UTF-8 text .* iconv"):
        prepare(recordings / "out", csv_file=recordings / "t.csv")


def test_the_text_of_an_hour_fits_into_a_field(recordings):
    rows = [f"audio/r{i:02d}.wav,{'A' * 200_000}" for i in range(3)]
    (recordings / "t.csv").write_text("\n".join(["audio,text", *rows]))
    assert prepare(recordings / "out", csv_file=recordings / "t.csv") == {"train": 1, "dev": 1, "test": 1}


def test_hidden_companions_are_passed_over_and_told_of(tmp_path, make_audio, caplog):
    caplog.set_level("INFO")
    for name in "abc":
        make_audio(tmp_path / "in" / f"{name}.wav", 0.2).with_suffix(".txt").write_text("HI")
        (tmp_path / "in" / f"._{name}.wav").write_bytes(b"Mac OS X")
        (tmp_path / "in" / f"._{name}.txt").write_bytes(b"\xff\xfe\x00")
    assert sum(prepare(tmp_path / "out", folder=tmp_path / "in").values()) == 3
    assert "passed over 6 files" in caplog.text


def test_a_name_that_is_not_utf8_is_named(tmp_path, make_audio):
    for name in ("a", "b", os.fsdecode(b"caf\xe9")):
        make_audio(tmp_path / "in" / f"{name}.wav", 0.2).with_suffix(".txt").write_text("HI")
    with pytest.raises(CorpusError, match=r"the name .*caf\ufffd\.wav is not UTF-8"):
        prepare(tmp_path / "out", folder=tmp_path / "in")
