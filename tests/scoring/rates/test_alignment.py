"""Alignment against an independent dynamic programme, against jiwer's API, and by hand."""

import random

import jiwer
import numpy as np
import pytest

from asr.scoring.rates.alignment import COSTS, DELETION, INSERTION, SUBSTITUTION, align

ALPHABETS = ["ab", "abc xyz", "äöüßÀé", "日本語の音声", "😀👍🏽é\u0301", "ابتثج", "नमस्ते", "a\u2028b\u00a0c\x85d"]


def cheapest(ref: list[str], hyp: list[str], substitution: int, deletion: int, insertion: int) -> int:
    """The textbook programme, cell by cell: cost of the cheapest way from `ref` to `hyp`."""
    table = {(0, 0): 0}
    for i in range(len(ref) + 1):
        for j in range(len(hyp) + 1):
            ways = []
            if i:
                ways.append(table[i - 1, j] + deletion)
            if j:
                ways.append(table[i, j - 1] + insertion)
            if i and j:
                ways.append(table[i - 1, j - 1] + (0 if ref[i - 1] == hyp[j - 1] else substitution))
            if ways:
                table[i, j] = min(ways)
    return table[len(ref), len(hyp)]


def random_text(draw: random.Random, longest: int = 7) -> str:
    alphabet = draw.choice(ALPHABETS)
    words = ["".join(draw.choice(alphabet) for _ in range(draw.randint(1, 2))) for _ in range(draw.randint(0, longest))]
    return draw.choice([" ", "  ", "\t"]).join(words)


def random_pairs(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Half of the hypotheses are their reference with a few words changed, half are something else."""
    draw = random.Random(seed)
    refs, hyps = [], []
    for _ in range(count):
        refs.append(random_text(draw))
        changed = [word if draw.random() < 0.7 else random_text(draw, 1) for word in refs[-1].split()]
        hyps.append(" ".join(changed) if draw.random() < 0.5 else random_text(draw))
    return refs, hyps


@pytest.mark.parametrize("costs", ["unit", "sclite"])
def test_ten_thousand_random_unicode_pairs_cost_what_an_independent_programme_says(costs: str) -> None:
    refs, hyps = random_pairs(10_000, seed=7)
    substitution, deletion, insertion = COSTS[costs]
    counts = align(refs, hyps, costs=costs).counts()
    paid = counts @ np.array([0, substitution, deletion, insertion])
    expected = [
        cheapest(ref.split(), hyp.split(), substitution, deletion, insertion)
        for ref, hyp in zip(refs, hyps, strict=True)
    ]
    assert paid.tolist() == expected
    assert (counts[:, :3].sum(axis=1)).tolist() == [len(ref.split()) for ref in refs]
    assert (counts[:, [0, 1, 3]].sum(axis=1)).tolist() == [len(hyp.split()) for hyp in hyps]


def test_characters_cost_what_an_independent_programme_says() -> None:
    refs, hyps = random_pairs(1_500, seed=8)
    counts = align(refs, hyps, unit="char").counts()
    for ref, hyp, row in zip(refs, hyps, counts, strict=True):
        a, b = list(" ".join(ref.split())), list(" ".join(hyp.split()))
        assert row[1:].sum() == cheapest(a, b, 1, 1, 1)
        assert row[:3].sum() == len(a)


def test_every_pair_of_columns_spells_reference_and_hypothesis() -> None:
    refs, hyps = random_pairs(500, seed=9)
    for costs in COSTS:
        alignments = align(refs, hyps, costs=costs)
        counts = alignments.counts()
        for n, (ref, hyp) in enumerate(zip(refs, hyps, strict=True)):
            pairs = alignments.pairs(n)
            assert [pair.ref for pair in pairs if pair.ref is not None] == ref.split()
            assert [pair.hyp for pair in pairs if pair.hyp is not None] == hyp.split()
            assert all((pair.ref == pair.hyp) == (pair.kind == "hit") for pair in pairs)
            kinds = [pair.kind for pair in pairs]
            assert [kinds.count(kind) for kind in ("hit", "sub", "del", "ins")] == counts[n].tolist()


def test_substitutions_deletions_and_insertions_are_those_of_jiwer() -> None:
    refs, hyps = random_pairs(4_000, seed=10)
    some = [(" ".join(ref.split()), " ".join(hyp.split())) for ref, hyp in zip(refs, hyps, strict=True) if ref.split()]
    refs, hyps = [ref for ref, _ in some], [hyp for _, hyp in some]
    split = jiwer.Compose([jiwer.ReduceToListOfListOfWords()])
    theirs = jiwer.process_words(refs, hyps, split, split)
    ours = align(refs, hyps).counts()
    assert ours.sum(axis=0).tolist() == [theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions]
    for row, chunks in zip(ours, theirs.alignments, strict=True):
        sizes = {"substitute": 0, "delete": 0, "insert": 0, "equal": 0}
        for chunk in chunks:
            span = chunk.hyp_end_idx - chunk.hyp_start_idx, chunk.ref_end_idx - chunk.ref_start_idx
            sizes[chunk.type] += max(span)
        assert row.tolist() == [sizes["equal"], sizes["substitute"], sizes["delete"], sizes["insert"]]


def test_character_counts_are_those_of_jiwer() -> None:
    refs, hyps = random_pairs(2_000, seed=11)
    some = [(" ".join(ref.split()), " ".join(hyp.split())) for ref, hyp in zip(refs, hyps, strict=True) if ref.split()]
    refs, hyps = [ref for ref, _ in some], [hyp for _, hyp in some]
    theirs = jiwer.process_characters(refs, hyps)
    ours = align(refs, hyps, unit="char").counts().sum(axis=0)
    assert ours.tolist() == [theirs.hits, theirs.substitutions, theirs.deletions, theirs.insertions]


def test_the_two_costs_differ_where_they_should() -> None:
    """Two substitutions cost 2 or 8, a deletion and an insertion around a match 2 or 6: only sclite keeps the match."""
    unit = align(["a b"], ["b c"], costs="unit").counts()[0].tolist()
    sclite = align(["a b"], ["b c"], costs="sclite").counts()[0].tolist()
    assert sum(unit[1:]) == sum(sclite[1:]) == 2
    assert sclite == [1, 0, 1, 1]


@pytest.mark.parametrize(
    ("ref", "hyp", "expected"),
    [
        ("", "", [0, 0, 0, 0]),
        ("", "a b", [0, 0, 0, 2]),
        ("a b", "", [0, 0, 2, 0]),
        ("a", "b", [0, 1, 0, 0]),
        ("a", "a", [1, 0, 0, 0]),
        ("  a\tb ", "a b", [2, 0, 0, 0]),
        ("é", "e\u0301", [0, 1, 0, 0]),
    ],
)
@pytest.mark.parametrize("costs", ["unit", "sclite"])
def test_small_cases_by_hand(ref: str, hyp: str, expected: list[int], costs: str) -> None:
    assert align([ref], [hyp], costs=costs).counts().tolist() == [expected]


def test_no_utterances_make_no_counts() -> None:
    assert align([], []).counts().shape == (0, 4)
    assert align([], [], unit="char").counts().shape == (0, 4)
    assert align([], [], costs="sclite").counts().shape == (0, 4)


def test_edits_point_at_the_words_they_change() -> None:
    alignments = align(["x", "a b c d"], ["x", "a c e d f"], costs="sclite")
    words = alignments.vocabulary
    found = [
        (int(kind), words[alignments.refs.ids[ref]] if kind != INSERTION else None)
        for kind, ref in zip(alignments.edits.kinds, alignments.edits.refs, strict=True)
    ]
    assert found == [(DELETION, "b"), (INSERTION, None), (INSERTION, None)]
    heard = alignments.hyps.ids[alignments.edits.hyps[1:]]
    assert [words[word] for word in heard] == ["e", "f"]
    assert SUBSTITUTION not in alignments.edits.kinds


def test_more_words_than_code_points_still_align() -> None:
    """Word ids double as code points for speed; beyond the last code point the ids themselves are compared."""
    count = 0x110000 + 10
    many = " ".join(map(str, range(count)))
    refs, hyps = [many, f"{count - 1} {count - 2} 5"], ["", f"{count - 1} 5"]
    assert align(refs, hyps).counts().tolist() == [[0, 0, count, 0], [2, 0, 1, 0]]


@pytest.mark.parametrize(
    ("ref", "hyp", "errors", "tokens"),
    [
        ("我爱 hello 世界", "我爱hello世界", 0, 5),
        ("今天天气很好", "今天 天气 好", 1, 6),
        ("東京タワー", "東京タワ", 1, 5),
        ("don't stop", "dont stop", 1, 2),
        ("สวัสดี", "สวัสดี", 0, 4),
        ("한국어 문장", "한국어 문장", 0, 2),
    ],
)
def test_characters_where_there_are_no_blanks_and_words_elsewhere(ref: str, hyp: str, errors: int, tokens: int) -> None:
    counts = align([ref], [hyp], "auto").counts()[0]
    assert (int(counts[1:].sum()), int(counts[:3].sum())) == (errors, tokens)
