"""The compiled programme with unequal costs."""

import numpy as np
import pytest

from asr.errors import ScoringError
from asr.scoring.rates.weighted import align_weighted


def run(
    pairs: list[tuple[list[int], list[int]]], costs: tuple[int, int, int]
) -> tuple[list[int], list[int], list[int], list[int]]:
    refs, hyps = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    starts = [np.cumsum([0, *map(len, side)]).astype(np.int64) for side in (refs, hyps)]
    flat = [np.array([token for tokens in side for token in tokens], np.int32) for side in (refs, hyps)]
    result = align_weighted(flat[0], starts[0], flat[1], starts[1], *costs)
    kinds, at_ref, at_hyp, lengths = (part.tolist() for part in result)
    return kinds, at_ref, at_hyp, lengths


def test_edits_come_in_the_order_of_the_text_with_flat_positions() -> None:
    kinds, at_ref, at_hyp, lengths = run([([1, 2], [1, 2]), ([3, 4, 5], [3, 5, 6])], (4, 3, 3))
    assert lengths == [0, 2]
    assert kinds == [1, 2]
    assert at_ref == [3, 5]
    assert at_hyp == [3, 4]


def test_cheap_substitutions_are_preferred_and_dear_ones_avoided() -> None:
    assert run([([1], [2])], (4, 3, 3))[0] == [0]
    assert run([([1], [2])], (7, 3, 3))[0] in ([1, 2], [2, 1])


def test_of_equals_sclite_puts_the_substitution_last() -> None:
    """sclite 2.4.10: REF "a b", HYP "c" is the deletion of a, then the substitution of b."""
    kinds, at_ref, _, _ = run([([1, 2], [3])], (4, 3, 3))
    assert (kinds, at_ref) == ([1, 0], [0, 1])


def test_a_table_that_no_memory_holds_is_refused() -> None:
    words = np.zeros(100_000, np.int32)
    ends = np.array([0, 100_000])
    with pytest.raises(ScoringError, match=r"10 GB.*--costs unit"):
        align_weighted(words, ends, words, ends, 4, 3, 3)
