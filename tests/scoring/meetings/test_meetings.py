"""Meetings against MeetEval 0.4.3 and NIST's md-eval-22.pl, whose values of random sessions are stored, and by hand."""

import itertools
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from asr.errors import ScoringError
from asr.scoring.meetings.assignment import cheapest_assignment
from asr.scoring.meetings.diarisation import Diarisation, diarisation_errors
from asr.scoring.meetings.distance import Errors, combination_cost, constrained_cost, numbered, unpacked
from asr.scoring.meetings.rates import cp_errors, orc_errors, tcp_errors, word_times
from asr.scoring.meetings.segments import Turn

STORED = [json.loads(line) for line in (Path(__file__).parents[1] / "data" / "meetings.jsonl").read_text().splitlines()]


def turns(rows: list[Any]) -> list[Turn]:
    return [Turn("s", *row) for row in rows]


@pytest.mark.parametrize("case", STORED)
def test_random_sessions_as_meeteval_and_md_eval(case: dict[str, Any]) -> None:
    ref, hyp, expected = turns(case["ref"]), turns(case["hyp"]), case["expected"]
    found = {"cp": cp_errors(ref, hyp).errors, "orc": orc_errors(ref, hyp)}
    found |= {f"tcp{collar:g}": tcp_errors(ref, hyp, collar).errors for collar in (0.5, 2, 5)}
    assert {name: [errors.errors, errors.reference] for name, errors in found.items()} == {
        name: value for name, value in expected.items() if not name.startswith("der")
    }
    for collar in (0.0, 0.25):
        assert diarisation_errors(ref, hyp, collar) == pytest.approx(expected[f"der{collar:g}"], abs=0.011)


@pytest.mark.parametrize(
    ("ref", "hyp", "errors", "missed", "surplus"),
    [
        (["a b", "c d e f"], ["a b", "c d e f"], 0, 0, 0),
        (["a b", "c d"], ["a b", "c d", "e f"], 2, 0, 1),
        (["a", "c d", "e"], ["a", "c d"], 1, 1, 0),
        (["a", "b", "c"], ["b", "c", "d", "a"], 1, 0, 1),
        (["a b"], ["c d e", "a x"], 4, 0, 1),
        ([], ["a"], 1, 0, 1),
    ],
)
def test_cpwer_of_meeteval_s_documentation(
    ref: list[str], hyp: list[str], errors: int, missed: int, surplus: int
) -> None:
    sides = [[Turn("s", f"{n}", 0, 1, words) for n, words in enumerate(side)] for side in (ref, hyp)]
    found = cp_errors(*sides)
    assert (found.errors.errors, found.missed_speakers, found.surplus_speakers) == (errors, missed, surplus)


@pytest.mark.parametrize(
    ("ref", "hyp", "errors"),
    [
        (["a b", "c d", "e f"], ["a b c d e f"], 0),
        (["a b", "c d", "e f"], ["a b", "c d e f"], 0),
        (["a", "c d", "e"], ["a c", "d e"], 2),
        (["a b"], [], 2),
        ([""], ["a"], 1),
    ],
)
def test_orc_wer_of_meeteval_s_documentation(ref: list[str], hyp: list[str], errors: int) -> None:
    said = [Turn("s", "x", n, n + 1, words) for n, words in enumerate(ref)]
    heard = [Turn("s", f"{n}", 0, 1, words) for n, words in enumerate(hyp)]
    assert orc_errors(said, heard).errors == errors


def test_orc_against_all_ways_to_deal_utterances_out() -> None:
    draw = np.random.default_rng(1)
    for _ in range(20):
        said = [list(draw.choice(list("abc"), draw.integers(1, 4))) for _ in range(4)]
        heard = [list(draw.choice(list("abc"), draw.integers(1, 6))) for _ in range(2)]
        coded = numbered(*said, *heard)
        best = min(
            sum(
                constrained_cost(
                    np.concatenate([np.zeros(0, np.int64), *(coded[u] for u in range(4) if deal[u] == k)]), coded[4 + k]
                )
                for k in range(2)
            )
            for deal in itertools.product(range(2), repeat=4)
        )
        assert combination_cost(coded[:4], coded[4:]) == best


def test_the_collar_decides_whether_a_late_word_counts() -> None:
    ref, late = [Turn("s", "A", 0, 1, "a")], [Turn("s", "x", 10, 11, "a")]
    assert tcp_errors(ref, late, 5.0).errors == Errors(0, 1, 1, 1)
    assert tcp_errors(ref, late, 10.0).errors == Errors(0, 0, 0, 1)


def test_words_get_times_by_their_letters() -> None:
    times = word_times(Turn("s", "A", 0, 4, "abc b"), ["abc", "b"])
    assert times.tolist() == [[0, 3], [3, 4]]


@pytest.mark.parametrize(("cost", "ref", "hyp"), [((1, 2, 3), 9, 10), ((0, 0, 0), 4, 4), ((4, 0, 0), 4, 4)])
def test_a_cost_tells_its_errors(cost: tuple[int, int, int], ref: int, hyp: int) -> None:
    subs, dels, ins = cost
    packed = (subs + dels + ins) * (1 << 32) - subs
    assert unpacked(packed, ref, hyp) == Errors(subs, dels, ins, ref)


@pytest.mark.parametrize("size", [0, 1, 2, 5, 12])
def test_assignment_against_scipy(size: int) -> None:
    for seed in range(10):
        costs = np.random.default_rng(seed).integers(-20, 20, (size, size)).astype(float)
        columns = cheapest_assignment(costs)
        assert sorted(columns) == list(range(size))
        rows, best = linear_sum_assignment(costs)
        assert costs[range(size), columns].sum() == costs[rows, best].sum()


def test_diarisation_by_hand() -> None:
    ref = [Turn("s", "A", 0, 10, ""), Turn("s", "B", 10, 20, "")]
    hyp = [Turn("s", "x", 0, 12, ""), Turn("s", "y", 12, 19, "")]
    assert diarisation_errors(ref, hyp) == Diarisation(20.0, 1.0, 0.0, 2.0)
    assert diarisation_errors(ref, hyp, 1.0) == Diarisation(16.0, 0.0, 0.0, 1.0)
    assert diarisation_errors(ref, hyp, regions=[(0, 5)]) == Diarisation(5.0, 0.0, 0.0, 0.0)
    assert diarisation_errors([], hyp).rate == 0.0


def test_too_many_streams_are_refused() -> None:
    streams = [np.zeros(5000, np.int64)] * 4
    with pytest.raises(ScoringError, match="4 streams"):
        combination_cost([np.zeros(1, np.int64)], streams)
