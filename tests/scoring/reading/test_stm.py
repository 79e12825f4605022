"""Which word belongs to which segment."""

import pytest

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.reading.readers import read_transcripts
from asr.scoring.reading.stm import pair_by_time, words_by_segment
from asr.scoring.reading.timed import parse_ctm, parse_stm
from asr.scoring.reading.transcripts import Transcripts


def paired(stm: str, ctm: str) -> dict[str, str]:
    ref = Transcripts("x.stm", segments=parse_stm("x.stm", stm))
    return pair_by_time(ref, Transcripts("x.ctm", tracks=parse_ctm("x.ctm", ctm))).texts


def test_the_middle_of_a_word_decides() -> None:
    stm = "f 1 s 0 1 x\nf 1 s 1 2 y\n"
    texts = paired(stm, "f 1 0.8 0.3 early\nf 1 0.9 0.3 late\n")
    assert list(texts.values()) == ["early", "late"]


def test_a_middle_on_the_border_belongs_to_the_later_segment_however_it_is_added_up() -> None:
    for start in (0.1, 0.2, 0.3, 0.7):
        segments = parse_stm("x", f"f 1 s 0 {start + 0.1:.1f} x\nf 1 s {start + 0.1:.1f} 2 y")
        assert words_by_segment(segments, [Word("w", start, start + 0.2, 1.0)])[0] == []


def test_words_before_between_and_after_segments_are_not_lost() -> None:
    stm = "f 1 s 1 2 x\nf 1 s 3 4 y\n"
    texts = paired(stm, "f 1 0 0.1 before\nf 1 1.5 0.1 in\nf 1 2.5 0.1 between\nf 1 9 0.1 after\n")
    assert list(texts.values()) == ["before in", "between after"]


def test_words_in_ignored_segments_are_dropped() -> None:
    stm = "f 1 s 0 1 x\nf 1 s 1 2 ignore_time_segment_in_scoring\nf 1 s 2 3 y\n"
    texts = paired(stm, "f 1 0.5 0.1 a\nf 1 1.5 0.1 b\nf 1 2.5 0.1 c\n")
    assert list(texts.values()) == ["a", "c"]


def test_channels_are_kept_apart_and_silent_ones_are_missing() -> None:
    stm = "f A s 0 1 x\nf B s 0 1 y\n"
    assert paired(stm, "f B 0.5 0.1 y\n") == {"f-B-s-0000000-0000100": "y"}


def test_unknown_recordings_are_listed() -> None:
    with pytest.raises(ScoringError, match=r"2 recordings or channels.*f 2 g 1"):
        paired("f 1 s 0 1 x\n", "f 2 0 1 x\ng 1 0 1 x\nf 1 0 1 x\n")


def test_a_ctm_alone_is_keyed_by_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    (tmp_path / "x.ctm").write_text("u1 1 0 1 go\n")
    assert read_transcripts(tmp_path / "x.ctm", "hyp").texts == {"u1": "go"}
