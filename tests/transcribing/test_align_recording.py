"""A known text in time: lines, words and units, in every format; what cannot be spelled is named."""

import json

import numpy as np
import pytest

from asr.decoding.paths.alignment import align_text
from asr.errors import DecodingError, UnitsError, UsageError
from asr.transcribing.align_recording import align_recording, known_text, moved, render_aligned
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
FRAME = 0.1


def spoken(symbols):
    """Log-probabilities (T, V) that say these symbols, "-" the blank, a frame each."""
    ids = [0 if symbol == "-" else UNITS.ids[symbol] for symbol in symbols]
    probabilities = np.full((len(ids), len(UNITS)), 0.02)
    probabilities[np.arange(len(ids)), ids] = 0.94
    return np.log(probabilities).astype(np.float32)


SAID = spoken("--aab- -b---- a--")


def aligned(text="ab b\na", duration=1.7):
    return align_recording(SAID, text, UNITS, FRAME, duration)


def test_lines_words_and_units_have_their_frames():
    result = aligned()
    assert [(s.text, s.start, s.end) for s in result.transcript.segments] == [("ab b", 0.2, 0.9), ("a", 1.4, 1.5)]
    words = [word for segment in result.transcript.segments for word in segment.words]
    assert [(w.text, w.start, w.end) for w in words] == [("ab", 0.2, 0.5), ("b", 0.8, 0.9), ("a", 1.4, 1.5)]
    assert [(u.text, u.start, u.end) for u in result.units] == [
        ("a", 0.2, 0.4), ("b", 0.4, 0.5), ("<space>", 0.6, 0.7),
        ("b", 0.8, 0.9), ("<space>", 1.3, 1.4), ("a", 1.4, 1.5),
    ]  # fmt: skip
    assert result.score_per_unit == pytest.approx(17 * np.log(0.94) / 6, rel=1e-5)


def test_a_text_in_one_line_is_cut_at_pauses():
    assert [s.text for s in aligned("ab b a").transcript.segments] == ["ab b a"]


def test_times_are_those_of_the_plain_alignment():
    words = align_text(SAID, "ab b a", UNITS, FRAME).words
    own = [word for segment in aligned().transcript.segments for word in segment.words]
    assert [(w.text, w.start, w.end) for w in own] == [
        (w.text, pytest.approx(w.start), pytest.approx(w.end)) for w in words
    ]


def test_every_level_as_ctm():
    assert render_aligned(aligned(), "ctm", "x").splitlines()[0] == "x 1 0.200 0.300 ab 0.9400"
    units = render_aligned(aligned(), "ctm", "x", "unit").splitlines()
    assert [line.split()[4] for line in units] == ["a", "b", "<space>", "b", "<space>", "a"]
    with pytest.raises(UsageError, match="not possible in CTM"):
        render_aligned(aligned(), "ctm", "x", "segment")


@pytest.mark.parametrize(("level", "cues"), [(None, 2), ("segment", 2), ("word", 3), ("unit", 6)])
def test_every_level_as_subtitles(level, cues):
    assert render_aligned(aligned(), "srt", "x", level).count(" --> ") == cues


def test_a_textgrid_and_json_hold_all_levels():
    grid = render_aligned(aligned(), "textgrid", "x")
    assert [name for name in ("segments", "words", "units") if f'name = "{name}"' in grid] == [
        "segments",
        "words",
        "units",
    ]
    content = json.loads(render_aligned(aligned(), "json", "x"))
    assert content["units"][2] == {"unit": "<space>", "start": 0.6, "end": 0.7, "probability": 0.94}
    assert content["segments"][1]["words"][0]["word"] == "a"
    assert content["score_per_unit"] < 0


def test_a_part_of_a_recording_is_timed_in_the_recording():
    later = moved(aligned(), 60)
    assert later.transcript.segments[0].start == 60.2
    assert later.units[0].start == 60.2


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("ab Öl a", UnitsError, "holds 'Öl', which"),
        (" \n ", UsageError, "holds no words"),
        ("ab " * 20, DecodingError, "needs 59 frames and the audio gives 17"),
    ],
)
def test_what_cannot_be_aligned(text, error, message):
    with pytest.raises(error, match=message):
        aligned(text)


def test_the_text_is_a_file_or_the_words_themselves(tmp_path):
    (tmp_path / "said.txt").write_bytes("\ufeffab b\r\na\r\n".encode())
    assert known_text(str(tmp_path / "said.txt")) == "ab b\na\n"
    assert known_text("ab b a") == "ab b a"
    with pytest.raises(UsageError, match="does not exist; give a text file"):
        known_text("nowhere.txt")
