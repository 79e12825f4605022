"""Tables written to memory once and read back by compiled code from their address."""

from typing import NamedTuple

import numpy as np
import pytest
from numba import njit, typeof

from asr.decoding.search import pinned as pinned_module
from asr.decoding.search.pinned import pinned, read_only, reader_of


class Inner(NamedTuple):
    values: np.ndarray
    scale: float


class Outer(NamedTuple):
    inner: Inner
    counts: np.ndarray
    flag: bool


@pytest.fixture(autouse=True)
def nothing_kept_on_disk(monkeypatch):
    """Other processes read the index of compiled versions, and could not import the tuples of a test."""
    for name in ("bytes_of", "write_at"):
        uncached = njit(_nrt=False, error_model="numpy")(getattr(pinned_module, name).py_func)  # else as `jit.kernel`
        monkeypatch.setattr(pinned_module, name, uncached)


def tables(size: int = 4) -> Outer:
    return Outer(Inner(np.arange(size, dtype=np.float32), 0.5), np.zeros(2, np.int64), True)


outer_at = reader_of(typeof(read_only(tables())._replace(counts=np.zeros(2, np.int64))))


@njit
def summed(address):
    outer = outer_at(address)
    outer.counts[0] += 1
    return outer.inner.values.sum() * outer.inner.scale if outer.flag else 0.0


def test_compiled_code_reads_and_writes_the_arrays_of_the_tuple():
    given = tables(6)
    outer = read_only(given)._replace(counts=given.counts)
    address, memory = pinned(outer)
    assert memory.ctypes.data == address
    assert summed(address) == 7.5
    given.inner.values[0] = 1.0  # the arrays are shared, not copied
    assert summed(address) == 8.0
    assert given.counts.tolist() == [2, 0]


def test_tuples_of_the_same_type_need_no_further_compilation():
    for size in (1, 3, 9):
        given = tables(size)
        address, _memory = pinned(read_only(given)._replace(counts=given.counts))
        assert summed(address) == 0.5 * sum(range(size))
    assert len(summed.signatures) == 1


def test_memory_mapped_and_writable_arrays_become_one_type(tmp_path):
    path = tmp_path / "values.npy"
    np.save(path, np.arange(3, dtype=np.float32))
    mapped = tables()._replace(inner=Inner(np.load(path, mmap_mode="r"), 0.5))
    assert typeof(read_only(mapped)) == typeof(read_only(tables()))
    with pytest.raises(ValueError, match="read-only"):
        read_only(tables()).counts[0] = 1
