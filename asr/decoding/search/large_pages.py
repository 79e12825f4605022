"""Tables in large pages of memory, where the system has them. N: bytes.

A search reads its tables all over the place, and a processor can keep the addresses of a few thousand pages only. In
pages of 2 MiB instead of 4 KiB they all fit, and searching with a large vocabulary takes a twentieth less.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Tables = TypeVar("Tables", bound=tuple[Any, ...])
PAGE = 1 << 21
LINE = 64  # bytes of a line of the cache, in which every array begins


def in_large_pages(tables: Tables) -> Tables:
    """Copies of the arrays of a named tuple, side by side in memory for which large pages were asked.

    Linux gives them if it has any; elsewhere the memory is like any other. It is freed with the last of the arrays.
    """
    sizes = [_filled(each.nbytes, LINE) if isinstance(each, np.ndarray) else 0 for each in tables]
    region = _region(sum(sizes))
    places = np.cumsum([0, *sizes])
    copies = [
        _placed(each, region[place : place + size]) if size else each
        for each, place, size in zip(tables, places.tolist(), sizes, strict=False)
    ]
    return type(tables)(*copies)


def _region(size: int) -> NDArray[np.uint8]:
    """(N,) zeros that begin with a large page."""
    if not hasattr(mmap, "MADV_HUGEPAGE"):
        return np.zeros(size, np.uint8)
    memory = mmap.mmap(-1, _filled(size, PAGE) + PAGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # from a kernel that was built without them
        memory.madvise(mmap.MADV_HUGEPAGE)
    whole = np.frombuffer(memory, np.uint8)
    first = -whole.ctypes.data % PAGE
    return whole[first : first + size]


def _placed(array: NDArray[Any], memory: NDArray[np.uint8]) -> NDArray[Any]:
    copy = memory[: array.nbytes].view(array.dtype).reshape(array.shape)
    copy[...] = array
    return copy


def _filled(size: int, unit: int) -> int:
    return -(-size // unit) * unit
