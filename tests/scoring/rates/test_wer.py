"""Rates and counts keyed by utterance id; `asr.score`."""

import math

import jiwer
import numpy as np
import pytest

import asr
from asr.errors import ConfigError, ScoringError, UsageError
from asr.scoring.rates.wer import Totals


def test_counts_by_hand() -> None:
    score = asr.score({"u1": "a b c", "u2": "d"}, {"u1": "a x c y", "u2": ""})
    assert score.totals == Totals(hits=2, substitutions=1, deletions=1, insertions=1)
    assert score.wer == score.rate == 3 / 4
    assert score.sentence_errors == 2
    assert score.macro == pytest.approx((2 / 3 + 1) / 2)


def test_order_does_not_matter_where_there_are_ids() -> None:
    score = asr.score({"u1": "a", "u2": "b"}, {"u2": "b", "u1": "a"})
    assert score.wer == 0
    assert score.ids == ["u1", "u2"]


def test_a_missing_hypothesis_is_deletions() -> None:
    score = asr.score({"u1": "a b", "u2": "c", "u3": ""}, {"u2": "c"})
    assert score.totals.deletions == 2
    assert score.missing == ["u1", "u3"]


def test_unknown_ids_are_an_error_with_the_list() -> None:
    with pytest.raises(ScoringError, match="2 ids that the references do not have: x y"):
        asr.score({"u1": "a"}, {"u1": "a", "x": "b", "y": "c"})


@pytest.mark.parametrize(
    ("refs", "hyps", "rate"),
    [
        ([], [], 0.0),
        ([""], [""], 0.0),
        ([""], ["a"], math.inf),
        (["a"], [""], 1.0),
        (["a", ""], ["a", "b"], 1.0),
        (["a"], ["b c d"], 3.0),
        (["   "], ["\t"], 0.0),
        ("a b", "a c", 0.5),
    ],
)
def test_empty_sides(refs: list[str], hyps: list[str], rate: float) -> None:
    assert asr.score(refs, hyps).wer == rate


def test_rates_are_those_of_jiwer() -> None:
    refs, hyps = ["the cat sat on the mat", "a", "go home now"], ["a cat sat mat x", "a", ""]
    ours, theirs = asr.score(refs, hyps), jiwer.process_words(refs, hyps)
    assert ours.wer == pytest.approx(theirs.wer)
    assert ours.totals.match_error == pytest.approx(theirs.mer)
    assert ours.totals.information_lost == pytest.approx(theirs.wil)
    assert ours.cer == pytest.approx(jiwer.cer(refs, hyps))


@pytest.mark.parametrize(
    ("totals", "rate", "match_error", "lost"),
    [
        (Totals(0, 0, 0, 0), 0.0, 0.0, 0.0),
        (Totals(0, 0, 0, 3), math.inf, 1.0, 1.0),
        (Totals(0, 0, 3, 0), 1.0, 1.0, 1.0),
        (Totals(2, 1, 1, 1), 0.75, 0.6, 1 - 4 / 16),
    ],
)
def test_rates_of_counts(totals: Totals, rate: float, match_error: float, lost: float) -> None:
    assert (totals.rate, totals.match_error, totals.information_lost) == (rate, match_error, lost)


def test_character_rate_of_a_character_score_is_its_own_rate() -> None:
    score = asr.score(["ab cd"], ["ab xd"], unit="char")
    assert score.rate == score.cer == 1 / 5
    assert score.wer == 1 / 2


def test_arrays_and_tables() -> None:
    """NumPy in, NumPy out; `pandas.DataFrame(score.table())` needs nothing more than columns of one length."""
    score = asr.score(np.array(["a b", "c", ""]), np.array(["a", "c", "x"]), fields={"speaker": {"0": "ann"}})
    table = score.table()
    assert {len(column) for column in table.values()} == {3}
    assert table["deletions"].tolist() == [1, 0, 0]
    assert table["rate"].tolist() == [0.5, 0.0, math.inf]
    assert table["speaker"].tolist() == ["ann", "", ""]
    assert (table["errors"].sum(), table["length"].sum()) == (2, 3)


def test_lists_of_different_length_and_mixed_sides_are_refused() -> None:
    with pytest.raises(ScoringError, match="2 and 1 texts"):
        asr.score(["a", "b"], ["a"])
    with pytest.raises(ScoringError, match="only one side has ids"):
        asr.score({"u": "a"}, ["a"])


@pytest.mark.parametrize("option", [{"unit": "phone"}, {"costs": "kaldi"}, {"profile": "klingon"}])
def test_unknown_options_say_what_is_known(option: dict[str, str]) -> None:
    with pytest.raises((UsageError, ConfigError), match="use"):
        asr.score(["a"], ["a"], **option)


def test_a_profile_is_applied_to_both_sides() -> None:
    score = asr.score(["Don't go!"], ["do not GO"], profile="english")
    assert score.wer == 0
    assert score.profile.name == "english"
    assert score.refs == ["do not go"]


@pytest.mark.parametrize(
    ("ref", "hyp", "remedy"),
    [
        ("/data/a.wav", "a.wav", "only by folders and suffixes"),
        ("a", "out/a.wav", "only by folders and suffixes"),
        ("A-1", "a-1", "only by upper and lower case"),
        ("a-1", "b-1", "references of the same set"),
    ],
)
def test_ids_that_nearly_agree_say_in_what_they_do_not(ref: str, hyp: str, remedy: str) -> None:
    with pytest.raises(ScoringError, match=remedy):
        asr.score({ref: "x"}, {hyp: "x"})
