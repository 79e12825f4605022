"""Many short rows in two arrays: what a hundred thousand strings or label sequences cost is their letters, not objects.

A Python string costs 49 bytes beside its letters, and a dictionary that finds it a hundred more. Here a row costs its
values and four bytes (eight, where all rows together have more than 2^32 values).

Shapes: N rows, M values of all rows together.
"""

from __future__ import annotations

import hashlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, overload

import numpy as np

BLOCK = 1 << 10  # rows copied at once
WORD = 8  # bytes of a string that are compared at once
TEXT = ("utf-8", "surrogatepass")  # JSON can hold half of a surrogate pair, and so can an id


class PackedRows:
    """Rows of whole numbers of different lengths.

    Args:
        values: (M,) of all rows, one after another.
        ends: (N,) where each row ends; any type of whole numbers.
    """

    def __init__(self, values: np.ndarray, ends: np.ndarray) -> None:
        self.values, self.ends = values, ends

    @classmethod
    def of(cls, rows: Iterable[Sequence[int]], highest: int) -> PackedRows:
        """Pack rows of numbers from 0 to `highest`."""
        packer = Packer(highest)
        for row in rows:
            packer.append(row)
        return packer.rows()

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, number: int) -> np.ndarray:
        """One row, a view."""
        begin = int(self.ends[number - 1]) if number else 0
        return self.values[begin : int(self.ends[number])]

    def take(self, numbers: np.ndarray) -> PackedRows:
        """Chosen rows in another order."""
        lengths = self.lengths()[numbers]
        ends = np.cumsum(lengths)
        values = np.empty(int(ends[-1]) if len(ends) else 0, self.values.dtype)
        for first in range(0, len(numbers), BLOCK):  # in blocks: an index of every value would cost eight bytes each
            part = slice(first, first + BLOCK)
            begin = int(ends[first] - lengths[first])
            shift = np.repeat(self.ends[numbers[part]].astype(np.int64) - ends[part], lengths[part])
            stop = begin + len(shift)
            values[begin:stop] = self.values[np.arange(begin, stop) + shift]
        return PackedRows(values, _small(ends))

    def lengths(self) -> np.ndarray:
        """(N,) int64 values of each row."""
        return np.diff(self.ends.astype(np.int64), prepend=0)


class Packer:
    """Packs rows as they come.

    Args:
        highest: number that a row can hold; they are kept in the smallest type that holds it.
    """

    def __init__(self, highest: int) -> None:
        self._values, self._ends = array(np.min_scalar_type(highest).char), array("q")

    def append(self, row: Sequence[int]) -> None:
        """Add a row."""
        self._values.extend(row)
        self._ends.append(len(self._values))

    def append_text(self, text: str) -> None:
        """Add a string as its bytes."""
        self.append(text.encode(*TEXT))

    def rows(self) -> PackedRows:
        """Everything so far; nothing can be added any more."""
        return PackedRows(as_array(self._values), _small(as_array(self._ends)))


class PackedStrings(Sequence[str]):
    """Strings as their UTF-8 bytes.

    Args:
        rows: the bytes of each.
    """

    def __init__(self, rows: PackedRows) -> None:
        self.rows = rows

    @classmethod
    def of(cls, strings: Iterable[str]) -> PackedStrings:
        """Pack strings in their order."""
        return cls(PackedRows.of((text.encode(*TEXT) for text in strings), 255))

    def __len__(self) -> int:
        return len(self.rows)

    @overload
    def __getitem__(self, chosen: int) -> str: ...

    @overload
    def __getitem__(self, chosen: slice) -> list[str]: ...

    def __getitem__(self, chosen: int | slice) -> str | list[str]:
        if isinstance(chosen, slice):
            return [self[number] for number in range(*chosen.indices(len(self)))]
        count = len(self.rows)
        if not -count <= chosen < count:
            raise IndexError(chosen)
        return str(self.rows[chosen % count].data, *TEXT)

    def __iter__(self) -> Iterator[str]:
        begin = 0
        for first in range(0, len(self), BLOCK):  # a block's bytes and ends as Python's own objects: four times faster
            ends: list[int] = self.rows.ends[first : first + BLOCK].tolist()
            letters, shift = self.rows.values[begin : ends[-1]].tobytes(), begin
            for end in ends:
                yield str(letters[begin - shift : end - shift], *TEXT)
                begin = end

    def take(self, numbers: np.ndarray) -> PackedStrings:
        """Chosen strings in another order."""
        return PackedStrings(self.rows.take(numbers))

    def order(self) -> np.ndarray:
        """(N,) int64 numbers of the strings as `sorted` would have them; equal ones stay in order.

        UTF-8 sorts as its characters do, so the bytes are compared, eight at a time as one big-endian number.
        """
        lengths = self.rows.lengths()
        words = -(-int(lengths.max(initial=0)) // WORD)
        order = np.argsort(lengths, kind="stable")  # of two that differ only in what one of them lacks
        for word in reversed(range(words)):  # the least significant part first, each sort keeping the last one's order
            order = order[np.argsort(self._words(word, lengths)[order], kind="stable")]
        return order

    def _words(self, word: int, lengths: np.ndarray) -> np.ndarray:
        """(N,) uint64: eight bytes of each string, zero where it has ended."""
        found = np.zeros(len(self), np.uint64)
        begins = self.rows.ends.astype(np.int64) - lengths
        for place in range(WORD * word, WORD * word + WORD):
            found <<= np.uint64(8)
            within = np.flatnonzero(lengths > place)
            found[within] |= self.rows.values[begins[within] + place].astype(np.uint64)
        return found


def as_array(values: array[Any]) -> np.ndarray:
    """The same memory as an array of numpy; the other can no longer grow."""
    return np.frombuffer(values, np.dtype(values.typecode)) if values else np.empty(0, np.dtype(values.typecode))


def _small(ends: np.ndarray) -> np.ndarray:
    """In four bytes each where they fit."""
    return ends.astype(np.uint32) if not len(ends) or ends[-1] < 2**32 else ends


class IdLookup:
    """Finds the numbers of ids.

    Args:
        ids: (N,) each once.
        hashes: (N,) uint64 `id_hash` of each, ascending.
        numbers: (N,) the id that each hash belongs to.
    """

    def __init__(self, ids: Sequence[str], hashes: np.ndarray, numbers: np.ndarray) -> None:
        self.ids, self.hashes, self.numbers = ids, hashes, numbers
        # As a memoryview: bisect then compares Python's own integers, five times faster than searchsorted for one.
        self._sorted = hashes.data.cast("B").cast("Q") if len(hashes) else ()

    @classmethod
    def of(cls, ids: Sequence[str]) -> IdLookup:
        """Hash ids, each of which is there once."""
        hashes = hashes_of(ids)
        numbers = np.argsort(hashes, kind="stable")
        return cls(ids, hashes[numbers], numbers.astype(np.uint32))

    def number(self, id: str) -> int | None:
        """Number of an id; None where there is none."""
        wanted = id_hash(id)
        place = bisect_left(self._sorted, wanted)
        while place < len(self._sorted) and self._sorted[place] == wanted:
            number = int(self.numbers[place])
            if self.ids[number] == id:
                return number
            place += 1
        return None

    def __reduce__(self) -> tuple[type[IdLookup], tuple[Sequence[str], np.ndarray, np.ndarray]]:
        """A memoryview cannot be pickled."""
        return IdLookup, (self.ids, self.hashes, self.numbers)


def hashes_of(ids: Sequence[str]) -> np.ndarray:
    """(N,) uint64 `id_hash` of each id."""
    return np.fromiter((id_hash(id) for id in ids), np.uint64, len(ids))


def repeats(ids: Sequence[str]) -> list[int]:
    """Ascending numbers of those ids that have stood before."""
    hashes = hashes_of(ids)
    order = np.argsort(hashes, kind="stable")
    alike = np.flatnonzero(hashes[order[1:]] == hashes[order[:-1]])
    seen: set[str] = set()
    found = []
    for number in np.union1d(order[alike], order[alike + 1]).tolist():
        if ids[number] in seen:
            found.append(number)
        seen.add(ids[number])
    return found


def id_hash(id: str) -> int:
    """64 bits of BLAKE2b of an utterance id."""
    return int.from_bytes(hashlib.blake2b(id.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")
