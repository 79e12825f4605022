"""Ids are found by their hashes, told apart where those collide, and doubled ones are found."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import packed as id_lookup
from asr.packed import IdLookup, PackedStrings, repeats

IDS = st.text(min_size=1, max_size=3, alphabet="abé")


@given(st.lists(IDS, unique=True, max_size=30), IDS)
def test_any_id_is_found_or_missed(ids, other):
    lookup = IdLookup.of(ids)
    assert [lookup.number(id) for id in ids] == list(range(len(ids)))
    assert lookup.number(other) == (ids.index(other) if other in ids else None)


@given(st.lists(IDS, max_size=40))
def test_repeats_are_those_that_stood_before(ids):
    expected = [number for number, id in enumerate(ids) if id in ids[:number]]
    assert repeats(ids) == expected
    assert repeats(PackedStrings.of(ids)) == expected


@pytest.fixture
def one_hash_a_length(monkeypatch):
    monkeypatch.setattr(id_lookup, "id_hash", len)


def test_ids_of_one_hash_are_told_apart(one_hash_a_length):
    lookup = IdLookup.of(["bb", "a", "cc", "b"])
    assert [lookup.number(id) for id in ("bb", "a", "cc", "b")] == [0, 1, 2, 3]
    assert lookup.number("dd") is lookup.number("c") is lookup.number("eee") is None
    assert repeats(["bb", "a", "cc", "bb", "b", "cc", "bb"]) == [3, 5, 6]


def test_it_crosses_to_other_processes():
    lookup = pickle.loads(pickle.dumps(IdLookup.of(["b", "a"])))
    assert [lookup.number(id) for id in ("a", "b", "c")] == [1, 0, None]


def test_hashes_take_twelve_bytes_an_id():
    lookup = IdLookup.of([f"utterance-{number}" for number in range(1000)])
    assert lookup.hashes.nbytes + lookup.numbers.nbytes == 12_000
    assert (np.diff(lookup.hashes.astype(object)) > 0).all()
