"""NeMo's manifests, read and written."""

from __future__ import annotations

import json

import pytest

from asr.corpus.sources.nemo import prepare, read_nemo, write_nemo
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError


def lines(path, *rows: dict) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_reading_what_nemo_writes(tmp_path, make_audio):
    make_audio(tmp_path / "a.wav", 1.5)
    lines(
        tmp_path / "m.json",
        {"audio_filepath": "a.wav", "duration": 0.5, "text": "hello  there", "offset": 0.25, "lang": "en"},
        {"audio_filepath": str(tmp_path / "a.wav"), "duration": None, "text": "x", "speaker": "s1"},
    )
    audio = str(tmp_path / "a.wav")
    assert read_nemo(tmp_path / "m.json") == [
        Utterance("a", audio, 0.25, 0.5, text="hello there"),
        Utterance("a-2", audio, 0.0, 1.5, text="x", speaker="s1"),
    ]


def test_writing_and_reading_back(tmp_path):
    utterances = [Utterance("u1", "/a.wav", 0.0, 1.0, text="ΓΕΙΑ"), Utterance("u2", "/a.wav", 1.0, 0.5, speaker="s")]
    assert write_nemo(utterances, tmp_path / "m.json") == 2
    assert read_nemo(tmp_path / "m.json") == utterances
    first = json.loads((tmp_path / "m.json").read_text().splitlines()[0])
    assert {"audio_filepath", "duration", "text"} <= set(first)


@pytest.mark.parametrize("line", ["{", "[]", '{"duration": 1}', '{"audio_filepath": "a", "duration": "long"}'])
def test_a_malformed_line_is_named(tmp_path, line):
    (tmp_path / "m.json").write_text(f"\n{line}\n")
    with pytest.raises(CorpusError, match=r"m\.json:2: is not a line of a NeMo manifest"):
        read_nemo(tmp_path / "m.json")


def test_prepare_a_folder_or_one_file(tmp_path):
    rows = [{"audio_filepath": f"{i}.wav", "duration": 1.0, "text": "A"} for i in range(10)]
    lines(tmp_path / "train_manifest.json", *rows[:7])
    lines(tmp_path / "validation_manifest.json", rows[7])
    lines(tmp_path / "test_manifest.json", *rows[8:])
    assert prepare(tmp_path, tmp_path / "out") == {"train": 7, "dev": 1, "test": 2}
    assert prepare(tmp_path / "train_manifest.json", tmp_path / "out") == {"train": 5, "dev": 1, "test": 1}
    with pytest.raises(CorpusError, match="holds no manifest"):
        prepare(tmp_path / "nowhere", tmp_path / "out")
