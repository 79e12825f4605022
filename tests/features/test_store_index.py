"""The index of a store: found by id whatever the hashes, mapped from its file, and small in memory and on disk."""

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr import packed as id_lookup
from asr.features.store_index import BYTES_EACH, StoreIndex, file_checksum

NAMES = [f"speaker-{number % 7}-utterance-{number:04d}" for number in range(500)]
FRAMES = [number % 11 for number in range(500)]
CHECKSUMS = [number * 7_919_317 % 2**32 for number in range(500)]


@pytest.fixture
def saved(tmp_path):
    path = tmp_path / "index.bin"
    return path, StoreIndex.of(NAMES, FRAMES, CHECKSUMS).save(path)


def test_everyone_is_found_in_memory_and_mapped(saved):
    path, checksum = saved
    assert checksum == file_checksum(path)
    for index in (StoreIndex.of(NAMES, FRAMES, CHECKSUMS), StoreIndex.mapped(path, 500)):
        assert [index.number(name) for name in NAMES] == list(range(500))
        assert index.number("nobody") is None
        assert list(index.ids) == NAMES and len(index) == 500
        assert np.diff(index.ends, prepend=0).tolist() == FRAMES
        assert index.checksums.tolist() == CHECKSUMS


@given(st.lists(st.text(min_size=1, max_size=8), unique=True, max_size=20), st.text(max_size=8))
def test_any_ids_are_told_apart(names, other):
    index = StoreIndex.of(names, [1] * len(names), [0] * len(names))
    assert [index.number(name) for name in names] == list(range(len(names)))
    assert index.number(other) == (names.index(other) if other in names else None)


def test_ids_of_one_hash_are_told_apart(monkeypatch):
    monkeypatch.setattr(id_lookup, "id_hash", lambda name: len(name))
    index = StoreIndex.of(["bb", "a", "cc", "b", "dd"], [1] * 5, [0] * 5)
    assert [index.number(name) for name in ("bb", "a", "cc", "b", "dd")] == [0, 1, 2, 3, 4]
    assert index.number("ee") is index.number("c") is index.number("fff") is None


def test_an_empty_index_is_saved_and_mapped(tmp_path):
    StoreIndex.of([], [], []).save(tmp_path / "index.bin")
    index = StoreIndex.mapped(tmp_path / "index.bin", 0)
    assert len(index) == 0 and index.number("a") is None


def test_a_file_takes_its_columns_and_letters(saved):
    path, _ = saved
    assert path.stat().st_size == 500 * BYTES_EACH + sum(map(len, NAMES))


def test_a_file_for_fewer_utterances_is_refused(saved):
    path, _ = saved
    path.write_bytes(path.read_bytes()[: 500 * BYTES_EACH - 1])
    with pytest.raises(ValueError, match=r"index\.bin is too short for 500 utterances"):
        StoreIndex.mapped(path, 500)


def test_a_mapped_index_travels_as_its_path_and_one_in_memory_as_itself(saved):
    path, _ = saved
    mapped = pickle.dumps(StoreIndex.mapped(path, 500))
    assert len(mapped) < 400
    for sent in (mapped, pickle.dumps(StoreIndex.of(NAMES, FRAMES, CHECKSUMS))):
        assert pickle.loads(sent).number(NAMES[321]) == 321


@pytest.mark.parametrize(("frames", "checksums"), [([1], [1, 2]), ([1, 2], [1])])
def test_columns_of_different_lengths_are_refused(frames, checksums):
    with pytest.raises(ValueError, match="2 ids"):
        StoreIndex.of(["a", "b"], frames, checksums)
