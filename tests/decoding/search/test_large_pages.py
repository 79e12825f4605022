"""Tables in large pages are copies like any other: the same values, apart from the originals, and they live on."""

import gc
import itertools
import mmap
from typing import NamedTuple

import numpy as np
import pytest

from asr.decoding.search.large_pages import LINE, in_large_pages

RECORD = np.dtype([("state", np.int32), ("factor", np.float64)], align=True)


class Some(NamedTuple):
    numbers: np.ndarray
    records: np.ndarray
    table: np.ndarray
    nothing: np.ndarray
    count: int


def some() -> Some:
    records = np.zeros(7, RECORD)
    records["factor"] = np.arange(7)
    return Some(np.arange(5, dtype=np.int64), records, np.ones((3, 4), np.float32), np.empty(0, np.int32), 9)


@pytest.fixture(params=["large pages", "none"])
def _system(request, monkeypatch):
    if request.param == "none":
        monkeypatch.delattr(mmap, "MADV_HUGEPAGE", raising=False)


@pytest.mark.usefixtures("_system")
def test_copies_have_the_values_and_leave_the_originals_alone():
    tables = some()
    copies = in_large_pages(tables)
    assert isinstance(copies, Some)
    assert copies.count == 9
    for name in ("numbers", "records", "table", "nothing"):
        copy, original = getattr(copies, name), getattr(tables, name)
        assert copy.dtype == original.dtype
        assert np.array_equal(copy, original)
    for array in copies[:3]:
        array[...] = np.zeros(1, array.dtype)[0]
    assert all(np.array_equal(each, again) for each, again in zip(tables, some(), strict=True))


def test_every_array_begins_in_a_line_of_its_own_and_none_reaches_into_the_next():
    copies = in_large_pages(some())
    spans = sorted((array.ctypes.data, array.ctypes.data + array.nbytes) for array in copies[:3])
    assert all(begin % LINE == 0 for begin, _ in spans)
    assert all(end <= begin for (_, end), (begin, _) in itertools.pairwise(spans))


def test_one_array_keeps_the_memory_of_all():
    table = in_large_pages(some()).table
    gc.collect()
    filled = [in_large_pages(some()) for _ in range(20)]  # what was freed would be used again
    for tables in filled:
        tables.table[...] = 7.0
    assert table.tolist() == np.ones((3, 4)).tolist()


def test_a_kernel_without_them_is_no_error(monkeypatch):
    class Unable(mmap.mmap):
        def madvise(self, *_):
            raise OSError("not supported")

    monkeypatch.setattr("asr.decoding.search.large_pages.mmap.mmap", Unable)
    assert np.array_equal(in_large_pages(some()).numbers, np.arange(5))
