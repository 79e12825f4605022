"""Subtitles and whisper's TSV, ours and other people's, read as the words that they show."""

import pytest

from asr.decoding.results.hypothesis import Word
from asr.scoring.reading.readers import read_transcripts
from asr.transcribing.transcript import Transcript, cut_at_pauses
from asr.transcribing.writers.formats import render
from asr.transcribing.writers.subtitles import Layout

CUE = "00:00:01.000 --> 00:00:02.000"
SAID = "it's a<b & naïve שלום again again"
TRANSCRIPT = Transcript(
    SAID, 40.0, cut_at_pauses([Word(word, 5.0 * n, 5.0 * n + 1.5, 0.9) for n, word in enumerate(SAID.split())])
)


@pytest.mark.parametrize("format", ["srt", "vtt", "tsv"])
def test_what_we_write(tmp_path, format):
    (tmp_path / f"my take.{format}").write_text(render(TRANSCRIPT, format), encoding="utf-8")
    assert read_transcripts(tmp_path / f"my take.{format}", "hyp").texts == {"my take": SAID}


@pytest.mark.parametrize("layout", [Layout(12), Layout(20, 2), Layout(max_words_per_line=1)])
def test_any_layout(tmp_path, layout):
    (tmp_path / "a.srt").write_text(TRANSCRIPT.to_srt(layout), encoding="utf-8")
    assert read_transcripts(tmp_path / "a.srt", "hyp").texts == {"a": SAID}


def test_words_that_are_underlined_in_turn_count_once(tmp_path):
    words = [Word(word, n, n + 0.5, 0.9) for n, word in enumerate(["a", "b", "c"])]
    transcript = Transcript("a b c", 3.0, cut_at_pauses(words))
    (tmp_path / "a.vtt").write_text(transcript.to_vtt(Layout(highlight_words=True)))
    assert read_transcripts(tmp_path / "a.vtt", "hyp").texts == {"a": "a b c"}


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("a.srt", f"1\r\n{CUE}\r\n<i>one</i>\r\ntwo\r\n\r\n2\r\n{CUE}\r\nthree", "one two three"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n{\\an8}<font color=red>one</font>\n", "one"),
        ("a.vtt", f"WEBVTT - title\n\nNOTE not said\n\ncue-7\n{CUE} line:0\n<v Ann>one <00:01.500>two\n", "one two"),
        ("a.vtt", f"\ufeffWEBVTT\n\nSTYLE\n::cue {{ color: red }}\n\n{CUE}\n&lt;one&gt; &amp;\n", "<one> &"),
        ("a.srt", "1\n00:00:01,000 --> 00:00:02,000\n[SPEAKER_01]: one\n", "one"),
        ("a.srt", "", ""),
        ("a.tsv", "start\tend\ttext\n0\t10\tone two\n10\t20\tthree\n", "one two three"),
    ],
    ids=["crlf", "position", "cue settings", "entities", "speakers", "empty", "table"],
)  # fmt: skip
def test_what_others_write(tmp_path, name, content, text):
    (tmp_path / name).write_bytes(content.encode())
    assert read_transcripts(tmp_path / name, "hyp").texts == {"a": text}
