"""Formats by name."""

import pytest

from asr.errors import UsageError
from asr.transcribing.transcript import Segment, Transcript
from asr.transcribing.writers.formats import FORMATS, check_formats, render, render_among, suffix

SPOKEN = Transcript("guten tag", 1.0, [Segment(0, 0.1, 0.4, "guten"), Segment(1, 0.5, 0.8, "tag")])


@pytest.mark.parametrize(
    ("names", "formats"),
    [("txt", ["txt"]), ("srt,vtt", ["srt", "vtt"]), ("json, json", ["json"]), ("all", list(FORMATS))],
)
def test_lists_of_names(names, formats):
    assert check_formats(names) == formats


@pytest.mark.parametrize("names", ["", "TXT", "docx", "txt,,srt", "txt,pdf"])
def test_other_names_are_refused_with_those_that_there_are(names):
    with pytest.raises(UsageError, match=r"--output-format: .* is not a format; use txt, srt, vtt"):
        check_formats(names)


def test_text_has_a_line_a_segment():
    assert render(SPOKEN, "txt") == "guten\ntag\n"
    assert render(Transcript("", 1.0), "txt") == "\n"


@pytest.mark.parametrize("format", ["srt", "vtt", "tsv", "textgrid"])
def test_what_does_not_name_its_recording_is_not_mixed(format):
    with pytest.raises(UsageError, match="does not tell several recordings apart; give a folder"):
        render_among(SPOKEN, format, "a.wav", True)


def test_recordings_among_others():
    assert render_among(SPOKEN, "txt", "a.wav", True) == "a.wav\tguten tag\n"
    assert render_among(SPOKEN, "csv", "a.wav", False).startswith("a.wav-00000,a.wav,0.100,")


def test_praat_knows_its_files_by_their_suffix():
    assert [suffix(format) for format in ("srt", "textgrid")] == [".srt", ".TextGrid"]


@pytest.mark.parametrize("format", FORMATS)
def test_every_format_of_nothing_said_and_of_a_long_word(format):
    assert isinstance(render(Transcript("", 0.0), format), str)
    word = "x" * 5000
    assert word in render(Transcript(word, 1.0, [Segment(0, 0.0, 1.0, word, [])]), format) or format == "ctm"
