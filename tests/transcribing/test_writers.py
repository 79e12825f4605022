"""Transcripts as text and as JSON, for files and for the terminal."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Hypothesis, Word
from asr.errors import UsageError
from asr.transcribing.transcript import (
    FORMATS,
    Segment,
    Transcript,
    TranscriptWord,
    check_format,
    render,
    render_line,
    transcript_of,
)

WORDS = [TranscriptWord("guten", 0.1, 0.4, 0.9), TranscriptWord("tag", 0.5, 0.8, 0.75)]
SPOKEN = Transcript("guten tag", 1.0, [Segment(0, 0.1, 0.8, "guten tag", WORDS)])
SILENT = Transcript("", 0.5)


def test_a_file_of_text_is_the_text_and_a_newline():
    assert render(SPOKEN, "txt") == "guten tag\n"
    assert render(SILENT, "txt") == "\n"


def test_a_file_of_json_has_text_segments_and_words():
    assert json.loads(render(SPOKEN, "json")) == {
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
    assert json.loads(render(SILENT, "json")) == {"text": "", "duration": 0.5, "segments": []}


def test_letters_are_not_escaped():
    assert "Öl" in render(Transcript("Öl", 1.0), "json")


@pytest.mark.parametrize(
    ("alone", "line"), [(True, "guten tag\n"), (False, "a.wav\tguten tag\n")], ids=["alone", "one of several"]
)
def test_lines_of_text(alone, line):
    assert render_line(SPOKEN, "txt", "a.wav", alone) == line


@given(text=st.text(max_size=40), source=st.text(min_size=1, max_size=20), alone=st.booleans())
def test_a_line_of_json_is_one_line_whatever_is_in_it(text, source, alone):
    line = render_line(Transcript(text, 1.0), "json", source, alone)
    assert line.count("\n") == 1
    assert json.loads(line) == {"audio": source, "text": text, "duration": 1.0, "segments": []}


@pytest.mark.parametrize("name", FORMATS)
def test_known_formats(name):
    assert check_format(name) == name


@pytest.mark.parametrize("name", ["", "TXT", "docx", "txt "])
def test_other_formats_are_refused_with_those_that_there_are(name):
    with pytest.raises(UsageError, match=r"--output-format: .* is not a format; use txt or json"):
        check_format(name)


class TestTranscriptOfAHypothesis:
    def test_times_are_rounded_to_milliseconds_and_end_with_the_recording(self):
        words = [Word("a", 0.12345, 0.5, 0.98765), Word("b", 0.6, 1.04, 0.5)]
        transcript = transcript_of(Hypothesis("a b", -1.0, words), duration=1.0)
        (segment,) = transcript.segments
        assert segment.words == [TranscriptWord("a", 0.123, 0.5, 0.9877), TranscriptWord("b", 0.6, 1.0, 0.5)]
        assert (segment.id, segment.start, segment.end, segment.text) == (0, 0.123, 1.0, "a b")

    def test_nothing_said_has_no_segment(self):
        assert transcript_of(Hypothesis("", -0.1, []), duration=3.0) == Transcript("", 3.0, [])
