"""The JSON files of whisper and its kin."""

import json
from pathlib import Path

import pytest

from asr.errors import ScoringError
from asr.scoring.reading.readers import read_transcripts

WHISPER = {
    "text": " Hello  world.",
    "segments": [
        {"id": 0, "text": " Hello world.", "words": [{"word": " Hello", "start": 0, "end": 1, "probability": 0.5}]}
    ],
    "language": "en",
}


def read(folder: Path, document: object, indent: int | None = None) -> dict[str, str]:
    (folder / "talk.json").write_text(json.dumps(document, indent=indent))
    texts = [read_transcripts(folder / "talk.json", side).texts for side in ("ref", "hyp")]
    assert texts[0] == texts[1]
    return texts[0]


@pytest.mark.parametrize("indent", [None, 1])
def test_whisper(tmp_path: Path, indent: int | None) -> None:
    assert read(tmp_path, WHISPER, indent) == {"talk": "Hello world."}
    words = read_transcripts(tmp_path / "talk.json", "hyp").words["talk"]
    assert [(word.text, word.confidence) for word in words] == [("Hello", 0.5)]


def test_whisperx_and_whisper_cpp(tmp_path: Path) -> None:
    assert read(tmp_path, {"segments": [{"text": "a b"}, {"text": "c", "words": [{"word": "c"}]}]}) == {"talk": "a b c"}
    assert read(tmp_path, {"transcription": [{"text": " a"}, {"text": " b"}]}) == {"talk": "a b"}
    assert read(tmp_path, {"segments": []}) == {"talk": ""}


def test_segments_without_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="segment without text"):
        read(tmp_path, {"segments": [{"start": 1}]})


def test_a_record_with_an_id_is_a_record(tmp_path: Path) -> None:
    assert read(tmp_path, {"id": "u1", "text": "a", "segments": []}) == {"u1": "a"}
