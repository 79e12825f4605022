"""Errors in word boundaries only."""

import pytest

import asr
from asr.scoring.statistics.compounds import boundaries


@pytest.mark.parametrize(
    ("ref", "hyp", "expected"),
    [
        ("a base ball game", "a baseball game", (1, 0, 0, 2)),
        ("donau dampf schiff", "donaudampfschiff", (1, 0, 0, 3)),
        ("a baseball game", "a base ball game", (0, 1, 0, 2)),
        ("an aim", "a naim", (0, 0, 1, 2)),
        ("a base ball", "a bass ball", (0, 0, 0, 0)),
        ("base ball x base ball", "baseball x base ball", (1, 0, 0, 2)),
        ("a b", "a c", (0, 0, 0, 0)),
        ("a", "a", (0, 0, 0, 0)),
    ],
)
def test_joined_split_and_moved(ref: str, hyp: str, expected: tuple[int, int, int, int]) -> None:
    assert tuple(boundaries(asr.score([ref], [hyp])))[:4] == expected


def test_runs_do_not_cross_utterances_and_examples_are_counted() -> None:
    found = boundaries(asr.score(["base", "ball", "ice cream", "ice cream"], ["", "baseball", "icecream", "icecream"]))
    assert found.examples == [("ice cream", "icecream", 2)]
    assert found.errors == 4
