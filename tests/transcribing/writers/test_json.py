"""Transcripts as JSON documents and lines, with whisper's names."""

import json

from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Word
from asr.transcribing.transcript import Segment, Skipped, Transcript
from asr.transcribing.writers.json import json_line

WORDS = [Word("guten", 0.1, 0.4, 0.9), Word("tag", 0.5, 0.8, 0.75)]
SPOKEN = Transcript("guten tag", 1.0, [Segment(0, 0.1, 0.8, "guten tag", WORDS)])
SILENT = Transcript("", 0.5)


def test_a_document_has_text_segments_and_words():
    assert json.loads(SPOKEN.to_json()) == {
        "text": "guten tag",
        "duration": 1.0,
        "segments": [
            {
                "id": 0,
                "start": 0.1,
                "end": 0.8,
                "text": "guten tag",
                "words": [
                    {"word": "guten", "start": 0.1, "end": 0.4, "probability": 0.9},
                    {"word": "tag", "start": 0.5, "end": 0.8, "probability": 0.75},
                ],
            }
        ],
    }
    assert json.loads(SILENT.to_json()) == {"text": "", "duration": 0.5, "segments": []}


def test_words_may_be_left_out():
    (segment,) = json.loads(SPOKEN.to_json(words=False))["segments"]
    assert segment == {"id": 0, "start": 0.1, "end": 0.8, "text": "guten tag"}


def test_what_was_skipped_and_heard_stands_beside():
    content = Transcript("", 9.0, [], [Skipped(0.0, 9.0, "silence")], {"guten tag": 0}).as_dict()
    assert content["skipped"] == [{"start": 0.0, "end": 9.0, "reason": "silence"}]
    assert content["hotwords"] == {"guten tag": 0}


def test_letters_are_not_escaped():
    assert "Öl" in Transcript("Öl", 1.0).to_json()


@given(text=st.text(max_size=40), source=st.text(min_size=1, max_size=20))
def test_a_line_is_one_line_whatever_is_in_it(text, source):
    line = json_line(Transcript(text, 1.0), source)
    assert line.count("\n") == 1
    assert json.loads(line) == {"audio": source, "text": text, "duration": 1.0, "segments": []}
