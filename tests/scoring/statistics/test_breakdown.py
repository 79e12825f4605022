"""Groups, confusions, unknown words and oracles, by hand."""

import asr
from asr.scoring.rates.alignment import DELETION, INSERTION
from asr.scoring.rates.wer import Totals
from asr.scoring.statistics.breakdown import by_field, by_length, confusions, most_different, oracle, unknown_words

REFS = {"u1": "a b c", "u2": "a b", "u3": "", "u4": "a a a a a"}
HYPS = {"u1": "a x c", "u2": "a x", "u3": "y", "u4": "a a a"}
SCORE = asr.score(REFS, HYPS, fields={"speaker": {"u1": "ann", "u2": "bob", "u4": "ann"}})


def test_groups_add_up_to_the_whole() -> None:
    groups = {group.name: group for group in by_field(SCORE, "speaker")}
    assert list(groups) == ["ann", "bob", "(none)"]
    assert groups["ann"].totals == Totals(5, 1, 2, 0)
    assert (groups["ann"].utterances, groups["ann"].wrong) == (2, 2)
    assert sum(group.totals.errors for group in groups.values()) == SCORE.totals.errors
    interval = groups["ann"].interval
    assert interval is not None
    assert interval.low <= 3 / 8 <= interval.high


def test_lengths_are_in_order_and_only_those_that_occur() -> None:
    assert [(group.name, group.totals.errors) for group in by_length(SCORE)] == [("0", 1), ("2-3", 2), ("4-7", 2)]


def test_many_groups_have_no_intervals() -> None:
    refs = {f"u{n}": "a" for n in range(600)}
    score = asr.score(refs, refs, fields={"recording": {key: key for key in refs}})
    assert all(group.interval is None for group in by_field(score, "recording"))


def test_confusions_most_frequent_first() -> None:
    assert [tuple(pair) for pair in confusions(SCORE)] == [("b", "x", 2)]
    assert [tuple(pair) for pair in confusions(SCORE, DELETION)] == [("a", "", 2)]
    assert [tuple(pair) for pair in confusions(SCORE, INSERTION)] == [("", "y", 1)]
    many = asr.score(["a b c d d"], ["w x y z z"])
    assert [pair.ref for pair in confusions(many, most=2)] == ["d", "a"]


def test_unknown_words_and_how_many_of_them_were_wrong() -> None:
    unknown = unknown_words(SCORE, {"a", "c"})
    assert (unknown.words, unknown.different, unknown.errors, unknown.examples) == (2, 1, 2, ["b"])
    assert unknown.rate == 2 / 10
    assert unknown_words(asr.score([""], ["x"]), set()).words == 0


def test_oracle_takes_the_best_reading_of_each_utterance() -> None:
    nbest = {"u1": ["a x c", "a b c"], "u2": ["a x", "x x", "a b"]}
    totals = oracle(SCORE, nbest)
    assert list(totals) == [1, 2, 3]
    assert totals[1] == SCORE.totals
    assert totals[2].errors == SCORE.totals.errors - 1
    assert totals[3].errors == SCORE.totals.errors - 2


def test_oracle_never_gets_worse_with_depth_and_keeps_the_first_of_equals() -> None:
    score = asr.score({"u": "a b"}, {"u": "a"})
    totals = oracle(score, {"u": ["a", "a x", "a b b"]})
    assert [entry.errors for entry in totals.values()] == [1, 1, 1]
    assert totals[3].deletions == 1


def test_oracle_normalises_readings_as_the_score_was() -> None:
    score = asr.score({"u": "Go home"}, {"u": "no"}, profile="basic")
    assert oracle(score, {"u": ["no", "GO HOME!"]})[2].errors == 0


def test_utterances_that_differ_most() -> None:
    other = asr.score(REFS, {"u1": "a b c", "u2": "x y z", "u3": "y", "u4": "a a a"})
    assert most_different(SCORE, other) == [("u2", -2), ("u1", 1)]
    assert most_different(SCORE, SCORE) == []
