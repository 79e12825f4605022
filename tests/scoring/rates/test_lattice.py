"""Alternatives and optional words. Every count here was checked with sclite 2.4.10 (`-D`)."""

import itertools
import random

import pytest

from asr.errors import ScoringError
from asr.scoring.rates.lattice import Network, has_markup, nearest_reading, parse_network


def counts(ref: str, hyp: str, costs: str = "sclite") -> list[int]:
    """Hits, substitutions, deletions, insertions of the nearest reading."""
    reading = nearest_reading(parse_network("u", ref), hyp.split(), costs)
    kinds = [kind for kind, _, _ in reading.edits]
    return [len(reading.words) - kinds.count(0) - kinds.count(1), *(kinds.count(kind) for kind in range(3))]


@pytest.mark.parametrize(
    ("ref", "hyp", "expected"),
    [
        ("{ a / b } c", "b c", [2, 0, 0, 0]),
        ("{ a / b c } d", "b c d", [3, 0, 0, 0]),
        ("{ a / @ } d", "d", [1, 0, 0, 0]),
        ("{ a / @ } d", "x d", [1, 0, 0, 1]),
        ("(uh) yes", "yes", [2, 0, 0, 0]),
        ("(uh) yes", "uh yes", [2, 0, 0, 0]),
        ("(uh) yes", "um yes", [1, 1, 0, 0]),
        ("{ a { b / c } / d } e", "a c e", [3, 0, 0, 0]),
        ("f { a a d / { a b b / c f } / @ } f", "e", [0, 1, 1, 0]),
    ],
)
def test_by_hand(ref: str, hyp: str, expected: list[int]) -> None:
    assert counts(ref, hyp) == expected


def readings(network: Network) -> list[list[tuple[str, bool]]]:
    """Every path through a network, as (word, optional)."""
    ends = {-1: [[]]} | {n: [] for n in range(len(network.arcs))}
    for n, arc in enumerate(network.arcs):
        step = [] if arc.word == "@" else [(arc.word, arc.optional)]
        ends[n] = [path + step for before in arc.before for path in ends[before]]
    return [path for last in network.last for path in ends[last]]


def cheapest(path: list[tuple[str, bool]], hyp: list[str]) -> float:
    """Cost of one path by the textbook programme with sclite's costs."""
    table = {(0, 0): 0.0}
    for i, j in itertools.product(range(len(path) + 1), range(len(hyp) + 1)):
        ways = [table[i, j - 1] + 3] if j else []
        if i:
            ways.append(table[i - 1, j] + (2 if path[i - 1][1] else 3))
        if i and j:
            ways.append(table[i - 1, j - 1] + (0 if path[i - 1][0] == hyp[j - 1] else 4))
        if ways:
            table[i, j] = min(ways)
    return table[len(path), len(hyp)]


def test_the_nearest_reading_is_the_cheapest_of_all_readings() -> None:
    draw = random.Random(2)
    for _ in range(300):
        parts = []
        for _ in range(draw.randint(1, 5)):
            some = [draw.choice(["a", "b", "a b", "{ c / d e }", "@"]) for _ in range(draw.randint(2, 3))]
            parts.append(draw.choice(["a", "b", "(c)", "{ " + " / ".join(some) + " }"]))
        hyp = [draw.choice("abcde") for _ in range(draw.randint(0, 6))]
        network = parse_network("u", " ".join(parts))
        reading = nearest_reading(network, hyp, "sclite")
        paid = sum((4, 3, 3, 2)[kind] for kind, _, _ in reading.edits)
        assert paid == min(cheapest(path, hyp) for path in readings(network))


def test_normalised_words_may_become_several_or_none() -> None:
    network = parse_network("u", "{ CAN'T / Uh } go", lambda word: {"CAN'T": "can not", "Uh": ""}.get(word, word))
    assert [arc.word for arc in network.arcs] == ["can", "not", "go"]
    assert nearest_reading(network, ["go"], "unit").words == ["go"]


def test_without_markup_there_is_one_reading() -> None:
    reading = nearest_reading(parse_network("u", "a b"), ["a", "c"], "unit")
    assert (reading.words, reading.edits) == (["a", "b"], [(0, 1, 1)])


@pytest.mark.parametrize(("text", "marked"), [("a (b) c", True), ("{ a / b }", True), ("f(x) a/b", False), ("", False)])
def test_what_counts_as_markup(text: str, marked: bool) -> None:
    assert has_markup(text) is marked


@pytest.mark.parametrize(
    ("text", "reason"),
    [("{ a / b", "without }"), ("a } b", "without {"), ("{ { a } / b", "without }"), ("{ " * 5000, "nested")],
)
def test_braces_that_do_not_match_name_the_utterance(text: str, reason: str) -> None:
    with pytest.raises(ScoringError, match=f"u7.*{reason}"):
        parse_network("u7", text)
