"""Subtitles and TSV are, byte for byte, what whisper's own writers (release 20250625) made of the same words."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Word
from asr.errors import UsageError
from asr.transcribing.transcript import Cutting, Segment, Transcript, cut_at_pauses
from asr.transcribing.writers.formats import render
from asr.transcribing.writers.subtitles import Layout, clock

EXPECTED = json.loads((Path(__file__).parents[1] / "data" / "whisper_files.json").read_text(encoding="utf-8"))
SAID = [
    [("the", 0.1, 0.35), ("quick", 0.4, 0.72), ("brown", 0.8, 1.2), ("fox", 1.25, 1.61), ("jumps", 2.0, 2.4)],
    [("over", 4.0, 4.3), ("it", 4.301, 4.5)],
    [("incomprehensibilities", 3599.5, 3601.25), ("naïve", 3602.0, 3602.0), ("שלום", 3602.0, 3602.75)],
]


def segment(number, words, speaker=None):
    text = " ".join(word for word, _, _ in words)
    return Segment(number, words[0][1], words[-1][2], text, [Word(*word, 0.5) for word in words], speaker)


SPOKEN = Transcript(
    " ".join(word for words in SAID for word, _, _ in words),
    3603.0,
    [segment(n, words) for n, words in enumerate(SAID)],
)


@pytest.mark.parametrize(
    ("case", "format"), [(case, format) for case, entry in EXPECTED.items() for format in entry["files"]]
)
def test_as_whisper_writes_it(case, format):
    layout = Layout(**EXPECTED[case]["options"])
    assert render(SPOKEN, format, layout=layout) == EXPECTED[case]["files"][format]


def test_the_methods_of_a_transcript_write_the_same():
    assert SPOKEN.to_srt() == render(SPOKEN, "srt")
    assert SPOKEN.to_vtt(Layout(20, 1)) == render(SPOKEN, "vtt", layout=Layout(20, 1))
    assert SPOKEN.to_txt().splitlines()[1] == "over it"


def test_nothing_said():
    assert Transcript("", 1.0).to_srt() == ""
    assert Transcript("", 1.0).to_vtt() == "WEBVTT\n\n"
    assert render(Transcript("", 1.0), "tsv") == "start\tend\ttext\n"


@pytest.mark.parametrize(
    ("seconds", "with_hours", "short"),
    [(0.0, "00:00:00,000", "00:00.000"), (59.9996, "00:01:00,000", "01:00.000"), (360000.5, "100:00:00,500", None)],
)
def test_clocks(seconds, with_hours, short):
    assert clock(seconds, ",") == with_hours
    assert short is None or clock(seconds, ".", hours=False) == short


def test_mark_up_is_written_so_that_it_is_shown():
    said = Transcript(
        "a<b & --> c", 1.0, [segment(0, [("a<b", 0, 0.1), ("&", 0.2, 0.3), ("-->", 0.4, 0.5), ("c", 0.6, 1)])]
    )
    assert "a&lt;b &amp; -> c".replace(">", "&gt;", 0) in said.to_vtt()
    assert "a<b & -> c" in said.to_srt()
    assert said.to_vtt(Layout(highlight_words=True)).count("<u>a&lt;b</u>") == 1


def test_speakers_are_named_and_never_share_a_subtitle():
    two = Transcript("", 9.0, [segment(0, [("a", 0, 0.5)], "channel 0"), segment(1, [("b", 0.6, 0.9)], "channel 1")])
    assert "[channel 0]: a" in two.to_srt()
    assert "<v channel 1>b" in two.to_vtt()
    assert [line for line in two.to_srt(Layout(40, 3)).split("\n") if line.startswith("[")] == [
        "[channel 0]: a", "[channel 1]: b",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_line_width": 0}, "--max-line-width: 0 is no limit"),
        ({"max_line_count": 2}, "--max-line-count: has no effect without --max-line-width"),
        ({"max_words_per_line": 3, "max_line_width": 9}, "--max-words-per-line: has no effect beside"),
    ],
)
def test_limits_that_say_nothing_are_refused(options, message):
    with pytest.raises(UsageError, match=message):
        Layout(**options)


LETTERS = st.text(st.characters(codec="utf-8", exclude_categories=["Z", "C"]), min_size=1, max_size=12)
SPANS = st.lists(st.tuples(LETTERS, st.floats(0, 4), st.floats(0, 2)), max_size=25)
LAYOUTS = st.sampled_from(
    [
        Layout(),
        Layout(10),
        Layout(10, 1),
        Layout(15, 3),
        Layout(max_words_per_line=1),
        Layout(15, 2, highlight_words=True),
    ]
)


@given(SPANS, LAYOUTS)
def test_subtitles_are_in_order_hold_every_word_and_keep_their_width(spans, layout):
    words, now = [], 0.0
    for text, pause, length in spans:
        words.append(Word(text, round(now + pause, 3), round(now + pause + length, 3), 0.5))
        now = words[-1].end
    transcript = Transcript(" ".join(w.text for w in words), now, cut_at_pauses(words, Cutting()))
    blocks = transcript.to_srt(layout).split("\n\n")[:-1]
    times = [re.findall(r"(\d+):(\d\d):(\d\d),(\d{3})", block.split("\n")[1]) for block in blocks]
    stamps = [tuple(map(int, stamp)) for pair in times for stamp in pair]
    assert stamps == sorted(stamps)
    assert [block.split("\n")[0] for block in blocks] == [str(number) for number in range(1, len(blocks) + 1)]
    lines = [line for block in blocks for line in block.split("\n")[2:]]
    if not layout.highlight_words:
        assert " ".join(lines).split() == [word.replace("-->", "->") for word in transcript.text.split()]
        if layout.max_line_width:
            longest = max([layout.max_line_width, *(len(word.text) for word in words)])
            assert all(len(line) <= longest for line in lines)
        if layout.max_line_count:
            assert all(len(block.split("\n")) - 2 <= layout.max_line_count for block in blocks)
