"""Spellings of one text in the batched search: numbers of texts, repeated separators, merging, sums at the end."""

import itertools
import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.beam_torch_texts import (
    IMPOSSIBLE,
    add_separators,
    merge_longer,
    says_nothing,
    sums_of_texts,
    tensor_texts,
    text_after,
    text_groups,
)
from asr.decoding.knowledge.texts import MODULUS, no_texts, number_of, texts_of
from asr.units import BLANK, BLANK_SYMBOL, Units

CPU = torch.device("cpu")
CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
PIECES = Units("bpe", [BLANK_SYMBOL, "▁", "▁a", "▁ab", "a", "b"], b"unused")
SPACED = tensor_texts(texts_of(CHARACTERS, told_apart=False), CPU)
MERGED = tensor_texts(texts_of(PIECES, told_apart=False), CPU)
APART = tensor_texts(no_texts(), CPU)
PREFIXES = [prefix for length in range(4) for prefix in itertools.product(range(1, 6), repeat=length)]


def number(prefix: tuple[int, ...]) -> int:
    """The number of a prefix's text, unit by unit."""
    value, last = torch.tensor(0), torch.tensor(BLANK)
    for unit in map(torch.tensor, prefix):
        value, last = text_after(MERGED, value, last, unit), unit
    return int(value)


def last_of(prefix: tuple[int, ...]) -> int:
    return prefix[-1] if prefix else BLANK


def test_int64_arithmetic_gives_the_numbers_of_texts():
    for prefix in PREFIXES:
        words = "".join("▁" + word for word in PIECES.decode(prefix).split())
        assert number(prefix) % MODULUS == number_of(words)


def test_two_texts_have_one_number_only_if_they_are_the_same():
    texts = {PIECES.decode(prefix) for prefix in PREFIXES}
    assert len({number(prefix) for prefix in PREFIXES}) == len(texts) < len(PREFIXES)


def test_a_separator_says_nothing_after_another_and_before_the_first_word():
    last, tokens = torch.tensor([[BLANK, 1, 2]]), torch.tensor([[1, 2, 3]])
    assert says_nothing(SPACED, last, tokens).tolist() == [[[True] + [False] * 2] * 2 + [[False] * 3]]
    assert not says_nothing(APART, last, tokens).any()


def test_units_without_separator_may_stand_in_the_columns_of_the_blank():
    """Columns that are there only to fill a batch may hold the blank, which is also "no separator"."""
    assert not says_nothing(MERGED, torch.tensor([[BLANK, 1]]), torch.tensor([[BLANK, 2]])).any()


def test_repeated_separators_stay_in_the_prefix():
    row = torch.tensor([[0.1, 0.5, 0.2, 0.2]]).log()
    last = torch.tensor([[BLANK, 1, 2]])
    blank = torch.tensor([[0.5, 0.4, 0.3]]).log()
    stayed = torch.tensor([[0.1, 0.1, 0.1]]).log()
    by_blank, by_label = add_separators(SPACED, row, last, blank, stayed, stayed)
    assert by_blank.exp().tolist()[0] == pytest.approx([0.1 + 0.5 * 0.5, 0.1, 0.1])
    assert by_label.exp().tolist()[0] == pytest.approx([0.1, 0.1 + 0.4 * 0.5, 0.1])
    assert add_separators(APART, row, last, blank, stayed, stayed) == (stayed, stayed)


def merged_by_hand(
    beam: list[tuple[int, ...]], alive: list[bool], tokens: list[int], masses: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """What `merge_longer` does, one by one, by the texts themselves; probabilities."""
    places = [(PIECES.decode(prefix), last_of(prefix)) for prefix in beam]
    left, shared = np.zeros_like(masses), np.zeros(len(beam))
    groups: dict[tuple[str, int], list[tuple[int, int]]] = {}
    for i, n in np.ndindex(masses.shape):
        groups.setdefault((PIECES.decode((*beam[i], tokens[n])), tokens[n]), []).append((i, n))
    for spelled, members in groups.items():
        total = sum(masses[member] for member in members)
        owners = [k for k, place in enumerate(places) if place == spelled and alive[k]]
        if owners:
            shared[owners[0]] = total
        else:
            left[max(members, key=lambda member: masses[member])] = total
    return left, shared


@given(data=st.data(), seed=st.integers(0, 10**6))
def test_new_prefixes_are_merged_by_text_and_last_unit(data, seed):
    beam = data.draw(
        st.lists(st.sampled_from(PREFIXES), min_size=1, max_size=12, unique_by=lambda p: (PIECES.decode(p), last_of(p)))
    )
    tokens = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=5, unique=True))
    alive = data.draw(st.lists(st.booleans(), min_size=len(beam), max_size=len(beam)))
    masses = np.random.default_rng(seed).uniform(0.01, 1.0, (len(beam), len(tokens))) * np.array(alive)[:, None]
    last = torch.tensor([[last_of(prefix) for prefix in beam]])
    columns = torch.tensor([[tokens.index(unit) if unit in tokens else len(tokens) for unit in last[0].tolist()]])
    numbers = torch.tensor([[number(prefix) for prefix in beam]])
    longer = torch.from_numpy(masses).log()[None]
    left, shared = merge_longer(
        MERGED, numbers, last, torch.tensor([alive]), torch.tensor([tokens]), columns, longer
    )  # fmt: skip
    expected_left, expected_shared = merged_by_hand(beam, alive, tokens, masses)
    np.testing.assert_allclose(left[0].exp().numpy(), expected_left, rtol=1e-9)
    np.testing.assert_allclose(shared[0].exp().numpy(), expected_shared, rtol=1e-9)


def test_of_equal_spellings_the_first_holds_the_sum():
    """The empty prefix and a lone marker make "a" with the same last unit."""
    last, numbers = torch.tensor([[BLANK, 1]]), torch.zeros((1, 2), dtype=torch.int64)
    longer = torch.tensor([[[0.25], [0.25]]]).log()
    alive = torch.tensor([[True, True]])
    left, _ = merge_longer(MERGED, numbers, last, alive, torch.tensor([[4]]), torch.tensor([[1, 1]]), longer)
    assert left.exp().tolist() == [[[0.5], [0.0]]]


def test_at_the_end_a_text_has_the_sum_of_its_spellings():
    beam = [(2,), (1, 4), (3,), (2, 1), (4,)]  # a, a, ab, a, a
    numbers = torch.tensor([[number(prefix) for prefix in beam]])
    last = torch.tensor([[prefix[-1] for prefix in beam]])
    nothing = torch.zeros_like(last)
    groups = text_groups(MERGED, numbers, last, nothing, nothing > 0)
    assert groups.tolist() == [[0, 0, 2, 0, 0]]
    scores = torch.tensor([[0.1, 0.3, 0.25, 0.05, 0.0]], dtype=torch.float64).log()
    assert sums_of_texts(scores, groups).exp().tolist()[0] == pytest.approx([0.0, 0.45, 0.25, 0.0, 0.0])


def test_at_the_end_a_separator_says_nothing():
    last = torch.tensor([[2, 1, 3, 1]])  # the first separator's beginning is in place 2, the other's left the beam
    slots, known = torch.tensor([[0, 2, 0, 0]]), torch.tensor([[False, True, False, False]])
    groups = text_groups(SPACED, torch.zeros_like(last), last, slots, known)
    assert groups.tolist() == [[0, 2, 2, 3]]
    scores = torch.tensor([[0.1, 0.2, 0.3, 0.15]], dtype=torch.float64).log()
    assert sums_of_texts(scores, groups).exp().tolist()[0] == pytest.approx([0.1, 0.0, 0.5, 0.15])


def test_a_group_of_free_places_sums_to_nothing():
    scores = torch.tensor([[0.0, IMPOSSIBLE, IMPOSSIBLE]], dtype=torch.float64)
    found = sums_of_texts(scores, torch.tensor([[0, 1, 1]]))
    assert found.tolist() == [[0.0, -math.inf, -math.inf]]
