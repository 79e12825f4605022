"""`asr prepare` on your own recordings: what becomes of them, and what is said when a table is wrong."""

import numpy as np
import pytest

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import load_manifest


@pytest.fixture
def recordings(tmp_path):
    """Twelve recordings of one to two seconds in a folder of their own."""
    folder = tmp_path / "my recordings"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for number in range(12):
        wave = generator.normal(0, 0.1, 8000 + 600 * number).astype(np.float32)
        write_audio(folder / f"r{number:02d}.wav", wave, 8000)
    return folder


def write_table(folder, delimiter=",", prefix="", rows=None):
    rows = rows or [("audio", "text", "speaker"), *((f"r{n:02d}.wav", f"text {n}", f"s{n % 4}") for n in range(12))]
    (folder / "t.csv").write_text(prefix + "\n".join(delimiter.join(row) for row in rows) + "\n", encoding="utf-8")
    return folder / "t.csv"


def splits(out):
    return {name: load_manifest(out / f"{name}.jsonl") for name in ("train", "dev", "test")}


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("prefix", ["", "\ufeff"], ids=["plain", "byte-order mark"])
def test_tables_as_spreadsheets_write_them(recordings, tmp_path, delimiter, prefix, capsys):
    table = write_table(recordings, delimiter, prefix)
    assert run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")]) == 0
    made = splits(tmp_path / "out")
    assert capsys.readouterr().out.splitlines() == [f"{name} {len(made[name])}" for name in made]
    every = sorted(utterance.text for utterances in made.values() for utterance in utterances)
    assert every == sorted(f"text {number}" for number in range(12))


def test_no_speaker_is_in_two_sets(recordings, tmp_path):
    run(["prepare", "--csv", str(write_table(recordings)), "--out", str(tmp_path / "out")])
    speakers = {name: {each.speaker for each in utterances} for name, utterances in splits(tmp_path / "out").items()}
    assert all(speakers.values())
    assert not speakers["train"] & speakers["dev"]
    assert not speakers["train"] & speakers["test"]
    assert not speakers["dev"] & speakers["test"]


def test_the_same_command_gives_the_same_bytes(recordings, tmp_path):
    table = write_table(recordings)
    for name in ("one", "two"):
        run(["prepare", "--csv", str(table), "--out", str(tmp_path / name)])
    for name in ("train", "dev", "test"):
        assert (tmp_path / "one" / f"{name}.jsonl").read_bytes() == (tmp_path / "two" / f"{name}.jsonl").read_bytes()


def test_a_folder_of_texts_beside_audio(recordings, tmp_path):
    for number in range(12):
        speaker = recordings / f"s{number % 4}"
        speaker.mkdir(exist_ok=True)
        (recordings / f"r{number:02d}.wav").rename(speaker / f"r{number:02d}.wav")
        (speaker / f"r{number:02d}.txt").write_text(f"  text\n{number} \n")
    assert run(["prepare", "--folder", str(recordings), "--out", str(tmp_path / "out")]) == 0
    every = [utterance for utterances in splits(tmp_path / "out").values() for utterance in utterances]
    by_id = {utterance.id: utterance for utterance in every}
    assert by_id["s1-r05"].text == "text 5"
    assert by_id["s1-r05"].speaker == "s1"
    assert by_id["s1-r05"].duration == pytest.approx((8000 + 600 * 5) / 8000)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([("path", "words"), ("r00.wav", "hi")], "lacks the column text; begin it with the line: audio,text"),
        ([("audio", "text"), ("", "hi")], "t.csv:2: has an empty audio; name the recording"),
        ([("audio", "text"), ("none.wav", "hi")], "1 recordings cannot be used: "),
        ([("audio", "text")], "holds no recordings"),
    ],
    ids=["columns", "empty", "missing", "no rows"],
)
def test_a_wrong_table_is_named_and_nothing_written(recordings, tmp_path, rows, message, capsys):
    table = write_table(recordings, rows=rows)
    assert run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error
    assert not list((tmp_path / "out").glob("*.jsonl"))


def test_the_first_few_unusable_recordings_are_listed(recordings, tmp_path, capsys):
    for number in range(9):
        (recordings / f"r{number:02d}.wav").write_bytes(b"broken")
    table = write_table(recordings)
    assert run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")]) == 1
    error = capsys.readouterr().err
    assert "9 recordings cannot be used" in error
    assert "r00.wav" in error
    assert " more" in error


def test_a_missing_text_beside_its_audio(recordings, tmp_path, capsys):
    assert run(["prepare", "--folder", str(recordings), "--out", str(tmp_path / "out")]) == 1
    assert "write what is said in r00.wav into it" in capsys.readouterr().err


def test_a_failure_keeps_the_manifests_of_before(recordings, tmp_path):
    table = write_table(recordings)
    run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")])
    before = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (recordings / "r03.wav").unlink()
    assert run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")]) == 1
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize(
    "arguments",
    [
        ["--csv", "t.csv", "--folder", "."],
        ["own", "--corpus", "."],
        ["yesno", "--held-out-speaker", "theo"],
        ["fsdd", "--sizes", "1", "2", "3"],
        ["digits", "--sizes", "1", "2"],
    ],
    ids=" ".join,
)
def test_options_that_do_not_belong_together_are_usage_errors(tmp_path, arguments, capsys):
    assert run(["prepare", *arguments, "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err
    assert not (tmp_path / "out").exists()
