"""Missing values, bytes and token lists handed to `asr.score`: refused or right."""

import numpy as np
import pytest

import asr
from asr.errors import ScoringError

NAN = float("nan")
NA = type("NAType", (), {})()


@pytest.mark.parametrize("nothing", [None, NAN, np.float64("nan"), NA])
def test_a_missing_hypothesis_counts_as_deletions(nothing: object) -> None:
    listed = asr.score(["x y", "a"], [nothing, "a"])
    assert (listed.hyps, listed.missing, listed.totals.deletions) == (["", "a"], ["0"], 2)
    assert asr.score({"u": "x y"}, {"u": nothing}).totals.deletions == 2


@pytest.mark.parametrize("nothing", [None, NAN, NA])
def test_a_missing_reference_is_refused(nothing: object) -> None:
    with pytest.raises(ScoringError, match="reference 0: is missing"):
        asr.score([nothing, "a"], ["", "a"])


def test_the_word_nan_is_a_word() -> None:
    assert asr.score(["nan"], [NAN]).wer == 1
    assert asr.score(["nan"], ["nan"]).wer == 0


@pytest.mark.parametrize("text", [b"a \xc3\xa9", ["a", "é"], ("a", "é"), np.str_("a é")])
def test_bytes_and_token_lists(text: object) -> None:
    score = asr.score([text], ["a é"])
    assert (score.wer, score.refs) == (0, ["a é"])


@pytest.mark.parametrize("text", [5, 1.5, {"text": "a"}, b"\xff", [1, 2], True])
def test_what_is_no_text_is_refused(text: object) -> None:
    with pytest.raises(ScoringError, match="hypothesis 0"):
        asr.score(["a"], [text])


def test_sides_that_do_not_fit() -> None:
    with pytest.raises(ScoringError, match="are 1 and 2 texts"):
        asr.score(["a"], ["a", "b"])
    with pytest.raises(ScoringError, match="only one side has ids"):
        asr.score({"a": "a"}, ["a"])
