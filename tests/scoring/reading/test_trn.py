"""trn lines whose ids hold brackets, and that what is written reads back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.errors import ScoringError
from asr.scoring.reading.trn import read_trn, trn_id, trn_line


@pytest.mark.parametrize(
    ("line", "key", "text"),
    [
        ("FIVE ZERO (talk(1))", "talk(1)", "FIVE ZERO"),
        ("FIVE ZERO (take (1))", "take (1)", "FIVE ZERO"),
        ("ONE TWO (rec_(1))", "rec_(1)", "ONE TWO"),
        ("(take (1) (final))", "take (1) (final)", ""),
        ("a (b) c (u1)", "u1", "a (b) c"),
        ("uh (laugh) (u(2)x)", "u(2)x", "uh (laugh)"),
        ("a ) b ( c (u1)", "u1", "a ) b ( c"),
        ("(spk-3)", "spk-3", ""),
    ],
)
def test_the_last_balanced_brackets_hold_the_id(line: str, key: str, text: str) -> None:
    assert list(read_trn("x.trn", line + "\n")) == [(key, text)]


@pytest.mark.parametrize("line", ["words (take :))", "no id", "()", "( )", "x (u1) y", "x (u1))"])
def test_lines_without_balanced_id_are_refused(line: str) -> None:
    with pytest.raises(ScoringError, match=r"x\.trn line 1 .*|x\.trn line 1:.*"):
        list(read_trn("x.trn", line + "\n"))


@pytest.mark.parametrize(
    ("key", "written"),
    [
        ("talk (1)", "talk (1)"),
        ("smile :)", "smile :%29"),
        ("a)(b", "a%29%28b"),
        ("two\nlines", "two%0Alines"),
        (" x ", "x"),
    ],
)
def test_ids_that_would_not_read_back_are_written_with_percent_signs(key: str, written: str) -> None:
    assert trn_id(key) == written


@given(st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip), st.text(st.characters(codec="utf-8")))
def test_whatever_is_written_reads_back(key: str, text: str) -> None:
    assert list(read_trn("x", trn_line(key, text))) == [(trn_id(key), " ".join(text.split()))]
