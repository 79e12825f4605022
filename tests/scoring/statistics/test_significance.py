"""Tests of significance against SciPy, exact enumeration, and values of NIST's sc_stats worked out by hand."""

import itertools
import random

import numpy as np
import pytest
from scipy import stats

import asr
from asr.errors import ScoringError
from asr.scoring.rates.wer import Score
from asr.scoring.statistics.significance import (
    compare,
    mapsswe,
    matched_pairs,
    mcnemar,
    paired_bootstrap,
    permutation_test,
    segment_differences,
    sign_test,
)


def scored(refs: list[str], hyps: list[str], **options: object) -> Score:
    return asr.score(refs, hyps, **options)


def segments(ref: str, a: str, b: str) -> list[int]:
    return segment_differences(scored([ref], [a]), scored([ref], [b])).tolist()


@pytest.mark.parametrize(
    ("ref", "a", "b", "expected"),
    [
        ("a b c d e", "a b c d e", "a b c d e", []),
        ("a b c d e", "x b c d e", "a b c d e", [1]),
        ("a b c d e", "x b c d e", "a b c d x", [1, -1]),
        ("a b c d", "x b c d", "a b x d", [0]),
        ("a b c d e", "x b c d e", "x b c d e", [0]),
        ("a b c d e", "x b c d x", "a b c d e", [1, 1]),
        ("a b c", "a b c y", "y a b c", [-1, 1]),
        ("a b c", "y a b c y z", "a b c", [1, 2]),
        ("a b", "y a y b", "a b", [2]),
        ("", "y", "", [1]),
    ],
)
def test_two_words_right_in_both_part_segments(ref: str, a: str, b: str, expected: list[int]) -> None:
    """Errors of A minus errors of B in each segment; an error anywhere within two words joins its neighbour."""
    assert segments(ref, a, b) == expected


def test_segments_by_a_walk_over_the_words() -> None:
    """An independent walk, word by word, in the manner of the state machine that sc_stats describes."""
    draw = random.Random(3)
    refs = [" ".join(draw.choice("abcdefgh") for _ in range(draw.randint(1, 15))) for _ in range(400)]
    hyps = [
        [" ".join(w if draw.random() < 0.8 else draw.choice(["", "x", "x " + w]) for w in ref.split()) for ref in refs]
        for _ in range(2)
    ]
    a, b = (scored(refs, said) for said in hyps)
    expected: list[int] = []
    for n, ref in enumerate(refs):
        words = len(ref.split())
        before = np.zeros((2, words + 1), int)
        wrong = np.zeros((2, words), int)
        for system, score in enumerate((a, b)):
            at = 0
            for pair in score.alignments.pairs(n):
                if pair.kind == "ins":
                    before[system, at] += 1
                    continue
                wrong[system, at] = pair.kind != "hit"
                at += 1
        right, difference, is_open = 2, 0, False
        for at in range(words + 1):
            for here in (before[:, at], wrong[:, at] if at < words else np.zeros(2, int)):
                if here.any():
                    if right >= 2 and is_open:
                        expected.append(difference)
                        difference = 0
                    difference, right, is_open = difference + int(here[0] - here[1]), 0, True
            if at < words and not wrong[:, at].any():
                right += 1
        expected += [difference] if is_open else []
    assert segment_differences(a, b).tolist() == expected


def test_z_and_p_are_those_of_a_one_sample_test_on_the_segments() -> None:
    draw = np.random.default_rng(4)
    differences = draw.integers(-2, 4, 900)
    result = matched_pairs(differences)
    expected = stats.ttest_1samp(differences, 0)
    assert result.z == pytest.approx(expected.statistic)
    assert result.p == pytest.approx(2 * stats.norm.sf(abs(expected.statistic)))
    assert result.mean == pytest.approx(differences.mean())


@pytest.mark.parametrize(
    ("differences", "p"),
    [([], 1.0), ([1], 1.0), ([0, 0], 1.0), ([1, -1], 1.0), ([2, 2, 2], 0.25), ([1, 2], 0.5), ([3], 1.0)],
)
def test_too_few_or_too_equal_segments(differences: list[int], p: float) -> None:
    assert matched_pairs(np.array(differences, np.int64)).p == p


@pytest.mark.parametrize("seed", range(4))
def test_the_permutation_test_against_all_signs(seed: int) -> None:
    differences = np.random.default_rng(seed).integers(-3, 5, 9)
    sums = np.array([np.dot(signs, differences) for signs in itertools.product((-1, 1), repeat=9)])
    expected = np.mean(np.abs(sums) >= abs(differences.sum()))
    assert permutation_test(differences) == pytest.approx(expected)
    assert matched_pairs(differences).exact


def test_few_utterances_cannot_be_significant() -> None:
    """One utterance says nothing, however many errors it has; five that agree cannot be surer than 1 in 16."""
    for count, least in ((1, 1.0), (2, 0.5), (5, 1 / 16)):
        refs = ["a b c d e f g h"] * count
        a, b = scored(refs, refs), scored(refs, ["x"] * count)
        assert paired_bootstrap(a, b).p == pytest.approx(least)
        assert mapsswe(a, b).p >= least


def test_what_was_not_measured_alike_is_not_compared() -> None:
    refs = ["A b", "c"]
    plain = scored(refs, refs)
    with pytest.raises(ScoringError, match=r"normalised by different rules, none 1 .* and basic 2"):
        compare(plain, scored(refs, refs, profile="basic"))
    with pytest.raises(ScoringError, match=r"by word at unit costs and by char"):
        compare(plain, scored(refs, refs, unit="char"))


def test_utterances_whose_references_were_read_differently_are_one_segment() -> None:
    a = scored(["{ p q / r } b c d e"], ["p q b c d x"], markup=True)
    b = scored(["{ p q / r } b c d e"], ["x b c d e"], markup=True)
    assert a.refs != b.refs
    assert mapsswe(a, b).segments == 1


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (0, 6), (3, 7), (7, 3), (20, 21), (5, 60), (170, 156)])
def test_sign_test_is_the_exact_binomial_test(first: int, second: int) -> None:
    """sc_stats of Debian's sctk says p = 0.000 for 170 against 156; a fair coin says 0.47."""
    expected = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert sign_test(first, second) == pytest.approx(expected, abs=1e-9)


def test_sign_test_of_a_million_utterances() -> None:
    assert sign_test(499_000, 501_000) == pytest.approx(2 * stats.norm.sf(999.5 / 500), rel=1e-5)


def test_mcnemar_counts_utterances_that_one_system_alone_has_right() -> None:
    refs = ["a"] * 12
    a = scored(refs, ["a"] * 10 + ["x", "x"])
    b = scored(refs, ["a"] * 2 + ["x"] * 9 + ["a"])
    result = mcnemar(a, b)
    assert (result.only_a_right, result.only_b_right) == (8, 1)
    assert result.p == pytest.approx(20 / 512)


def test_paired_bootstrap_against_all_resamples() -> None:
    refs = ["a b c", "a b", "a b c d", "a"]
    a = scored(refs, ["a b c", "a x", "a x x d", "a"])
    b = scored(refs, ["a x c", "a b", "x x x x", "a"])
    draws = np.array(list(itertools.product(range(4), repeat=4)))
    lengths = a.lengths[draws].sum(axis=1)
    exact = (a.errors[draws].sum(axis=1) - b.errors[draws].sum(axis=1)) / lengths
    result = paired_bootstrap(a, b, resamples=100_000)
    assert result.difference == pytest.approx(-2 / 10)
    assert result.a_better == pytest.approx(np.mean(exact < 0), abs=0.01)
    assert result.p == pytest.approx(2 * np.mean(exact >= 0), abs=0.01)
    assert (result.interval.low, result.interval.high) == pytest.approx(np.percentile(exact, [2.5, 97.5]), abs=0.01)


def test_equal_systems_do_not_differ_and_p_is_never_zero() -> None:
    refs = ["a b"] * 50
    same = scored(refs, ["a x"] * 50)
    assert paired_bootstrap(same, same).p == 1.0
    perfect = scored(refs, refs)
    assert 0 < paired_bootstrap(perfect, same).p < 0.01


def test_under_the_null_hypothesis_small_p_values_are_rare() -> None:
    """200 pairs of equally good systems: about one in twenty may look different at 5 %."""
    draw = random.Random(11)
    refs = [" ".join("abcdefghij") for _ in range(60)]

    def system() -> Score:
        return scored(refs, [" ".join(w if draw.random() > 0.2 else "x" for w in ref.split()) for ref in refs])

    found = np.zeros(3)
    for _ in range(200):
        a, b = system(), system()
        found += [paired_bootstrap(a, b, resamples=400).p < 0.05, mapsswe(a, b).p < 0.05, mcnemar(a, b).p < 0.05]
    bootstrap, segment_test, sentence_test = found / 200
    assert 0.01 < bootstrap < 0.11
    assert 0.01 < segment_test < 0.11
    assert sentence_test < 0.11


def test_speakers_count_when_there_are_two() -> None:
    refs = ["a b", "c d", "e f"]
    a, b = scored(refs, ["a b", "c x", "e f"]), scored(refs, ["a x", "c x", "e f"])
    assert compare(a, b).by_speaker is None
    assert compare(a, b, ["s", "s", "s"]).by_speaker is None
    by_speaker = compare(a, b, ["s", "s", "t"]).by_speaker
    assert by_speaker is not None
    assert by_speaker.interval.units == 2


def test_different_utterances_cannot_be_compared() -> None:
    with pytest.raises(ScoringError, match="different utterances"):
        compare(asr.score({"u": "a"}, {"u": "a"}), asr.score({"v": "a"}, {"v": "a"}))
