"""CTM and STM lines."""

import logging
import math

import pytest

from asr.errors import ScoringError
from asr.scoring.reading.timed import ctm_by_file, parse_ctm, parse_stm


def test_ctm_words_are_put_in_the_order_of_time_for_each_channel() -> None:
    tracks = parse_ctm("x.ctm", ";; made by hand\nf A 1.0 0.5 home 0.7\nf A 0.2 0.3 go\nf B 0.5 0.1 no NA\n")
    assert [word.text for word in tracks["f", "A"]] == ["go", "home"]
    assert tracks["f", "A"][1].end == pytest.approx(1.5)
    assert tracks["f", "A"][1].confidence == 0.7
    assert math.isnan(tracks["f", "A"][0].confidence)
    assert math.isnan(tracks["f", "B"][0].confidence)
    assert [word.text for word in ctm_by_file(tracks)["f"]] == ["go", "no", "home"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("f 1 0.5 0.1", "fewer than five"),
        ("f 1 soon 0.1 go", "'soon' is not a number"),
        ("f 1 nan 0.1 go", "not finite"),
        ("f 1 * * <ALT_BEGIN>", "alternatives"),
    ],
)
def test_broken_ctm_lines_are_named(line: str, reason: str) -> None:
    with pytest.raises(ScoringError, match=f"x.ctm line 1.*{reason}"):
        parse_ctm("x.ctm", line)


def test_stm_segments() -> None:
    first, second, third = parse_stm(
        "x.stm",
        "f A ann 0.5 1.25 <o,f0,female> go { home / there }\nf A bob 2 3\nf A x 3 4 IGNORE_TIME_SEGMENT_IN_SCORING",
    )
    assert (first.speaker, first.start, first.end, first.label) == ("ann", 0.5, 1.25, "<o,f0,female>")
    assert first.text == "go { home / there }"
    assert first.id == "f-A-ann-0000050-0000125"
    assert (second.text, second.label, second.ignored) == ("", "", False)
    assert third.ignored


@pytest.mark.parametrize(
    ("line", "reason"),
    [("f A ann 0", "fewer than five"), ("f A ann x 1 go", "'x' is not a number"), ("f A ann 2 1 go", "ends at 1.0 s")],
)
def test_broken_stm_lines_are_named(line: str, reason: str) -> None:
    with pytest.raises(ScoringError, match=reason):
        parse_stm("x.stm", line)


def test_tags_that_may_be_spoken_are_words_and_other_lone_tags_are_told(caplog: pytest.LogCaptureFixture) -> None:
    lines = "f A s 0 1 <unk> a b\nf A s 1 2 <NOISE> c\nf A s 2 3 <O> d\nf A s 3 4 <o,f0> <unk> e\n"
    segments = parse_stm("x.stm", lines)
    assert [segment.text for segment in segments] == ["<unk> a b", "<NOISE> c", "d", "<unk> e"]
    assert not caplog.records
    with caplog.at_level(logging.WARNING, logger="asr"):
        assert parse_stm("x.stm", "f A s 0 1 <bn> c\n")[0].text == "c"
    assert "begin with <bn>, taken for a label" in caplog.text
