"""Sets of references of which some hold alternatives."""

import asr
from asr.scoring.text.normalisation import named_profile


def test_plain_and_marked_utterances_in_one_set() -> None:
    refs = {"u1": "a b c", "u2": "{ a / b } (uh) c", "u3": "x"}
    hyps = {"u1": "a x c", "u2": "b c", "u3": "x y"}
    score = asr.score(refs, hyps, markup=True)
    assert score.counts.tolist() == [[2, 1, 0, 0], [3, 0, 0, 0], [1, 0, 0, 1]]
    assert score.refs == ["a b c", "b uh c", "x"]
    assert [tuple(pair) for pair in score.alignments.pairs(1)] == [
        ("hit", "b", "b"),
        ("opt", "uh", None),
        ("hit", "c", "c"),
    ]
    assert [pair.kind for pair in score.alignments.pairs(2)] == ["hit", "ins"]


def test_without_markup_the_signs_are_words() -> None:
    assert asr.score(["{ a / b }"], ["b"]).totals.deletions == 4


def test_normalisation_leaves_the_signs_alone() -> None:
    score = asr.score(["{ CAN'T / Won't } (Uh) go."], ["will not go"], markup=True, profile=named_profile("english"))
    assert score.wer == 0
    assert score.refs == ["will not go"]


def test_characters_are_those_of_the_nearest_reading() -> None:
    score = asr.score(["{ abc / xyz } (uh) d"], ["xyz d"], unit="char", markup=True)
    assert score.totals.reference == len("xyz d")
    assert score.cer == 0


def test_all_utterances_marked() -> None:
    score = asr.score(["(a)", "{ a / @ }"], ["", ""], markup=True)
    assert score.counts.tolist() == [[1, 0, 0, 0], [0, 0, 0, 0]]
