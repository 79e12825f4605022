"""Packed rows and strings: what goes in comes out, in the smallest type, and sorts as Python sorts."""

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.packed import BLOCK, PackedRows, PackedStrings, Packer

TEXTS = st.lists(st.text(alphabet=st.characters(), max_size=20), max_size=30)


@given(TEXTS)
def test_strings_come_back_as_they_were(texts):
    packed = PackedStrings.of(texts)
    assert list(packed) == texts
    assert len(packed) == len(texts)
    assert packed[1:4] == texts[1:4]
    assert [packed[-1 - place] for place in range(len(texts))] == texts[::-1]


def test_more_strings_than_are_read_at_once_come_in_order():
    texts = [f"ä{number}" * (number % 3) for number in range(2 * BLOCK + 1)]
    packed = PackedStrings.of(texts)
    assert list(packed) == [packed[place] for place in range(len(texts))] == texts


def test_half_a_surrogate_pair_is_a_string_too():
    assert list(PackedStrings.of(["\ud800", "a"])) == ["\ud800", "a"]


@pytest.mark.parametrize("place", [2, -3, 99])
def test_a_number_that_is_not_there_is_an_index_error(place):
    with pytest.raises(IndexError):
        PackedStrings.of(["a", "b"])[place]


@given(TEXTS)
def test_order_is_that_of_python_and_stable(texts):
    packed = PackedStrings.of(texts)
    expected = sorted(range(len(texts)), key=texts.__getitem__)
    assert packed.order().tolist() == expected
    assert list(packed.take(packed.order())) == sorted(texts)


def test_order_of_strings_that_differ_late_or_only_in_length():
    texts = ["a" * 17, "a" * 16, "a" * 15 + "b", "a\0", "a", "", "ä", "z", "\U0001f600", "\uffff"]
    assert list(PackedStrings.of(texts).take(PackedStrings.of(texts).order())) == sorted(texts)


@given(st.lists(st.text(max_size=5), max_size=30), st.text(max_size=5))
def test_sorted_strings_can_be_searched(texts, wanted):
    texts = sorted(texts)
    assert bisect_left(PackedStrings.of(texts), wanted) == bisect_left(texts, wanted)


@given(st.lists(st.lists(st.integers(0, 300), max_size=9), max_size=30), st.randoms())
def test_rows_come_back_in_any_order(rows, random):
    packed = PackedRows.of(rows, 300)
    assert [packed[number].tolist() for number in range(len(packed))] == rows
    numbers = random.choices(range(len(rows)), k=2 * len(rows)) if rows else []
    taken = packed.take(np.array(numbers, dtype=np.int64))
    assert [taken[place].tolist() for place in range(len(taken))] == [rows[number] for number in numbers]
    assert packed.lengths().tolist() == [len(row) for row in rows]


def test_more_rows_than_are_copied_at_once_can_be_turned_round():
    count = BLOCK + 3
    packed = PackedRows.of(([number % 7] * (number % 3) for number in range(count)), 6)
    turned = packed.take(np.arange(count)[::-1])
    for place in (0, 1, count - BLOCK - 1, count - 2, count - 1):
        number = count - 1 - place
        assert turned[place].tolist() == [number % 7] * (number % 3)


@pytest.mark.parametrize(("highest", "size"), [(1, 1), (255, 1), (256, 2), (65535, 2), (65536, 4)])
def test_values_take_no_more_bytes_than_the_highest_needs(highest, size):
    packer = Packer(highest)
    packer.append([0, highest])
    packer.append([])
    packed = packer.rows()
    assert packed.values.itemsize == size
    assert [packed[0].tolist(), packed[1].tolist()] == [[0, highest], []]


def test_ends_take_four_bytes_until_they_need_eight():
    assert PackedRows.of([[1], [2]], 9).ends.itemsize == 4
    beyond = PackedRows(np.zeros(0, np.uint8), np.array([2**31, 2**32 + 5]))
    assert beyond.lengths().tolist() == [2**31, 2**31 + 5]


def test_nothing_packed_is_nothing():
    empty = PackedStrings.of([])
    assert (list(empty), empty.order().tolist(), len(empty.take(np.empty(0, np.int64)))) == ([], [], 0)
