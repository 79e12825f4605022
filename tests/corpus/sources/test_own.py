"""Your own data: a table or a folder becomes three manifests, by speaker where speakers are known."""

from __future__ import annotations

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.own import prepare
from asr.errors import CorpusError, UsageError


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
        ("file,text\na,b\n", "lacks the column audio"),
        ("", "lacks the column audio and text"),
        ("audio,text\n,HI\n", r"t\.csv:2: has an empty audio"),
        ("audio,text\naudio/r00.wav\n", r"t\.csv:2: has an empty audio or no text"),
        ("audio,text\n", "holds no recordings"),
        ("audio,text\naudio/r00.wav,HI\n", "too few for train, dev and test"),
    ],
)
def test_unusable_tables_are_named(recordings, content, reason):
    (recordings / "t.csv").write_text(content)
    with pytest.raises(CorpusError, match=reason):
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


def test_a_table_with_a_field_beyond_all_reason_is_named(tmp_path):
    (tmp_path / "t.csv").write_text("audio,text\na.wav," + "A" * 200_000 + "\n")
    with pytest.raises(CorpusError, match=r"t\.csv: is not a table \(field larger than field limit"):
        prepare(tmp_path / "out", csv_file=tmp_path / "t.csv")
