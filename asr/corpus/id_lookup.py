"""Where an id is among many, by hashes in order: twelve bytes an utterance, where a dictionary takes two hundred.

Shapes: N ids.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import numpy as np

from asr.corpus.utterance import id_hash


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
