"""Whose features lie where in a store, in a binary file that is mapped and not read.

index.bin holds, little-endian, for N utterances in the order in which their features were written:

    hashes      (N,) uint64   `id_hash` of every id, ascending
    ends        (N,) int64    row of features.bin after the last of each utterance
    id ends     (N,) int64    where each id ends among the letters
    numbers     (N,) uint32   the utterance that each hash belongs to
    checksums   (N,) uint32   CRC-32 of each utterance's bytes
    letters                   the ids in UTF-8, one after another

So a thousand hours at three speeds cost 50 MB of a file that processes share and the system may drop, not 250 MB of
Python objects.

Shapes: N utterances.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from asr.files import atomic_write
from asr.packed import IdLookup, PackedRows, PackedStrings

COLUMNS = {"hashes": "<u8", "ends": "<i8", "id_ends": "<i8", "numbers": "<u4", "checksums": "<u4"}
BYTES_EACH = sum(np.dtype(kind).itemsize for kind in COLUMNS.values())
BLOCK = 1 << 16  # bytes read at once to check them


class StoreIndex:
    """Ids, frames and checksums of a store's utterances.

    Args:
        columns: the arrays that the file holds, `letters` among them.
        path: of the file they are mapped from; None where they are in memory.
    """

    def __init__(self, columns: dict[str, np.ndarray], path: Path | None = None) -> None:
        self.path = path
        self._set(columns)

    @classmethod
    def of(cls, ids: Iterable[str], frames: Sequence[int], checksums: Sequence[int]) -> StoreIndex:
        """The index of utterances in the order of their features.

        Args:
            ids: each once.
            frames: (N,) of each.
            checksums: (N,) CRC-32 of each one's bytes.
        """
        names = PackedStrings.of(ids)
        lookup = IdLookup.of(names)
        columns = {
            "hashes": lookup.hashes,
            "ends": np.cumsum(np.asarray(frames, dtype=np.int64)),
            "id_ends": names.rows.ends,
            "numbers": lookup.numbers,
            "checksums": np.asarray(checksums, dtype=np.uint32),
            "letters": names.rows.values,
        }
        if not len(columns["ends"]) == len(columns["checksums"]) == len(names):
            raise ValueError(f"{len(names)} ids, {len(columns['ends'])} frames, {len(columns['checksums'])} checksums")
        return cls(columns)

    @classmethod
    def mapped(cls, path: Path, count: int) -> StoreIndex:
        """The index of `count` utterances in a file.

        Raises:
            ValueError: the file is too short for them.
            OSError: it cannot be read.
        """
        if path.stat().st_size < count * BYTES_EACH:
            raise ValueError(f"{path.name} is too short for {count} utterances")
        return cls(_map(path, count), path)

    def save(self, path: Path) -> int:
        """Write the file; returns the CRC-32 of its bytes."""
        checksum = 0
        with atomic_write(path, "wb") as stream:
            for name, kind in (*COLUMNS.items(), ("letters", "u1")):
                data = np.ascontiguousarray(self._columns[name], dtype=kind).tobytes()
                checksum = zlib.crc32(data, checksum)
                stream.write(data)
        return checksum

    def number(self, id: str) -> int | None:
        """Place of an utterance in the order of the features; None where there is none of that id."""
        return self._lookup.number(id)

    def __len__(self) -> int:
        return len(self.ends)

    def __getstate__(self) -> dict[str, Any]:
        kept = {} if self.path is not None else self._columns
        return {"path": self.path, "count": len(self), "columns": kept}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.path = state["path"]
        self._set(_map(self.path, state["count"]) if self.path is not None else state["columns"])

    def _set(self, columns: dict[str, np.ndarray]) -> None:
        self._columns = columns
        self.ends, self.checksums = columns["ends"], columns["checksums"]
        self.ids = PackedStrings(PackedRows(columns["letters"], columns["id_ends"]))
        self._lookup = IdLookup(self.ids, columns["hashes"], columns["numbers"])


def file_checksum(path: Path) -> int:
    """CRC-32 of a file, a block at a time."""
    checksum = 0
    with path.open("rb") as stream:
        while block := stream.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
    return checksum


def _map(path: Path, count: int) -> dict[str, np.ndarray]:
    if count == 0:  # an empty file cannot be mapped
        return {name: np.empty(0, np.dtype(kind)) for name, kind in (*COLUMNS.items(), ("letters", "u1"))}
    content = np.memmap(path, dtype=np.uint8, mode="r")
    columns, begin = {}, 0
    for name, kind in COLUMNS.items():
        end = begin + count * np.dtype(kind).itemsize
        columns[name] = content[begin:end].view(kind)
        begin = end
    return {**columns, "letters": content[begin:]}
