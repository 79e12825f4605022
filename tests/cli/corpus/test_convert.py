"""`asr convert`: the files that other programs read, as their documentation describes them."""

import json
from pathlib import Path

import pytest

from asr.__main__ import run
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance


@pytest.fixture
def spoken(manifest, tmp_path):
    """The utterances of the shared manifest with speakers, and one part of a longer recording."""
    from dataclasses import replace

    utterances = [replace(each, speaker=f"s{n % 2}") for n, each in enumerate(load_manifest(manifest))]
    last = utterances[3]
    utterances[3] = Utterance("part", last.audio, 0.05, 0.1, text="a", speaker="s1")
    write_manifest(manifest, utterances)
    return manifest


def table(path: Path) -> dict[str, str]:
    return dict(line.split(" ", 1) for line in path.read_text().splitlines())


def test_a_kaldi_data_directory(spoken, tmp_path, capsys):
    assert run(["convert", str(spoken), "--to", "kaldi", "--out", str(tmp_path / "data")]) == 0
    assert capsys.readouterr().out == "4 utterances\n"
    text, speakers = table(tmp_path / "data/text"), table(tmp_path / "data/utt2spk")
    assert text == {each.id: each.text for each in load_manifest(spoken)}
    assert speakers == {each.id: each.speaker for each in load_manifest(spoken)}
    by_speaker = {name: ids.split() for name, ids in table(tmp_path / "data/spk2utt").items()}
    assert by_speaker == {name: [u for u in sorted(speakers) if speakers[u] == name] for name in ("s0", "s1")}
    recordings, segments = table(tmp_path / "data/wav.scp"), table(tmp_path / "data/segments")
    recording, start, end = segments["part"].split()
    assert Path(recordings[recording]).name == "u3.wav"
    assert (float(start), float(end)) == (0.05, pytest.approx(0.15))
    for name in ("text", "utt2spk", "wav.scp", "segments"):
        keys = [line.split()[0] for line in (tmp_path / "data" / name).read_text().splitlines()]
        assert keys == sorted(keys), "Kaldi wants its tables sorted"


def test_a_nemo_manifest(spoken, tmp_path, capsys):
    assert run(["convert", str(spoken), "--to", "nemo", "--out", str(tmp_path / "nemo.json")]) == 0
    rows = [json.loads(line) for line in (tmp_path / "nemo.json").read_text().splitlines()]
    for row, utterance in zip(rows, load_manifest(spoken), strict=True):
        assert row["text"] == utterance.text
        assert row["duration"] == pytest.approx(utterance.duration, abs=1e-4)
        assert (tmp_path / row["audio_filepath"]).resolve() == Path(utterance.audio).resolve()
    assert rows[3]["offset"] == pytest.approx(0.05)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--to", "htk"], 2, "htk: is not a form to convert to; choose kaldi or nemo"),
        ([], 2, "--to"),
    ],
)
def test_usage_errors(spoken, tmp_path, options, code, message, capsys):
    assert run(["convert", str(spoken), *options, "--out", str(tmp_path / "out")]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_an_empty_manifest_leaves_the_older_directory(spoken, tmp_path, capsys):
    out = tmp_path / "data"
    assert run(["convert", str(spoken), "--to", "kaldi", "--out", str(out)]) == 0
    before = (out / "text").read_text()
    spoken.write_text("")
    assert run(["convert", str(spoken), "--to", "kaldi", "--out", str(out)]) == 1
    assert "holds no utterances" in capsys.readouterr().err
    assert (out / "text").read_text() == before
