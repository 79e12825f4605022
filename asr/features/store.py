"""Feature matrices of a corpus in one memory-mapped file.

A store is a folder:

    features.bin   the matrices one after another, rows of F little-endian float16 or float32, in the order of `ids`
    index.bin      ids, frames and CRC-32 of each matrix (`asr/features/store_index.py`)
    index.json     their number, CRC-32 of index.bin, and the feature configuration
    complete.json  written last: size of features.bin, CRC-32 of index.json, and what the writer adds (a fingerprint);
                   without it there is no store

Features are stored as computed, not normalised: that happens when a batch is made.

Shapes: T frames, F features.
"""

from __future__ import annotations

import json
import mmap
import os
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Literal

import numpy as np
from pydantic import ValidationError

from asr.config.sections import FeatureConfig
from asr.errors import FeatureError
from asr.features.store_index import StoreIndex, file_checksum
from asr.files import atomic_write

FEATURES, INDEX, IDS, COMPLETE = "features.bin", "index.json", "index.bin", "complete.json"
FORMAT = 2
AROUND = 1 << 16  # bytes that Linux maps at once around a page that is asked for
REMEDY = "compute the features again with: asr features --force"


class FeatureStoreWriter:
    """Writes a store; it becomes whole when the `with` block ends without an exception.

    Args:
        directory: the store's folder; what it held before stops being a store at once.
        bins: F.
        dtype: how values are kept; float16 keeps log-mels to 0.008.
        config: how the features were computed.

    Attributes:
        notes: JSON values kept in complete.json; the caller may fill it until the block ends.
    """

    def __init__(
        self, directory: str | Path, bins: int, dtype: Literal["float16", "float32"], config: FeatureConfig
    ) -> None:
        self.directory = Path(directory)
        self.bins = bins
        self.dtype = np.dtype(dtype).newbyteorder("<")
        self.config = config
        self.notes: dict[str, Any] = {}
        self._frames: dict[str, int] = {}
        self._checksums: list[int] = []
        self._size = 0
        self._stream: BinaryIO | None = None

    def __enter__(self) -> FeatureStoreWriter:
        self.directory.mkdir(parents=True, exist_ok=True)
        # The marker goes first. Removing features.bin, not truncating it, leaves readers that map it undisturbed.
        for name in (COMPLETE, INDEX, IDS, FEATURES):
            (self.directory / name).unlink(missing_ok=True)
        self._stream = (self.directory / FEATURES).open("wb")
        return self

    def append(self, id: str, matrix: np.ndarray) -> None:
        """Add the features (T, F) of one utterance.

        Raises:
            FeatureError: doubled id, wrong shape, or values that are not finite or do not fit the dtype.
        """
        if self._stream is None:
            raise ValueError("append() works inside the writer's with block only")
        if id in self._frames:
            raise FeatureError(id, "is in the store already", "give every utterance its own id")
        if matrix.ndim != 2 or matrix.shape[1] != self.bins:
            raise FeatureError(id, f"features have shape {matrix.shape}, not (frames, {self.bins})", "check the config")
        with np.errstate(over="ignore"):
            rows = np.ascontiguousarray(matrix, dtype=self.dtype)
        if not np.isfinite(rows).all():
            remedy = "check the audio, or store with --set features.store_dtype=float32"
            raise FeatureError(id, f"features are not finite as {self.dtype.name}", remedy)
        data = rows.tobytes()
        try:
            self._stream.write(data)
        except OSError as error:
            raise self._named(error) from None
        self._size += len(data)
        self._frames[id] = len(rows)
        self._checksums.append(zlib.crc32(data))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        stream, self._stream = self._stream, None
        if stream is None:
            return
        if kind is not None:
            self._abandon(stream)
            return
        try:
            stream.flush()
            os.fsync(stream.fileno())
            stream.close()
        except OSError as error:
            self._abandon(stream)
            raise self._named(error) from None
        index = {
            "format": FORMAT,
            "bins": self.bins,
            "dtype": self.dtype.name,
            "config": self.config.model_dump(),
            "utterances": len(self._frames),
            "ids_crc32": _save_index(self.directory / IDS, self._frames, self._checksums),
        }
        text = json.dumps(index, ensure_ascii=False, separators=(",", ":")) + "\n"
        _write(self.directory / INDEX, text)
        marker = {"format": FORMAT, "bytes": self._size, "index_crc32": zlib.crc32(text.encode()), "notes": self.notes}
        _write(self.directory / COMPLETE, json.dumps(marker, ensure_ascii=False, indent=1) + "\n")

    def _abandon(self, stream: BinaryIO) -> None:
        """Leave no half of a file to fill the disk."""
        with suppress(OSError):  # a full disk refuses what the buffer still holds
            stream.close()
        (self.directory / FEATURES).unlink(missing_ok=True)

    def _named(self, error: OSError) -> OSError:
        """The same failure with the file that it is about; the system's own does not say."""
        return OSError(error.errno, error.strerror, str(self.directory / FEATURES))


class FeatureStore:
    """A whole store, read by utterance id. Opening maps nothing yet; worker processes get it by pickling."""

    def __init__(self, directory: Path, header: dict[str, Any], index: StoreIndex, notes: dict[str, Any]) -> None:
        self.directory = directory
        self.bins: int = header["bins"]
        self.dtype = np.dtype(header["dtype"]).newbyteorder("<")
        self.config = FeatureConfig.model_validate(header["config"])
        self.notes = notes
        self.index = index
        self._rows: np.ndarray | None = None

    @classmethod
    def open(cls, directory: str | Path, wanted: FeatureConfig | None = None) -> FeatureStore:
        """Open the store in a folder.

        Args:
            directory: the store's folder.
            wanted: settings that the features must have been computed with; None takes any.

        Raises:
            FeatureError: there is no store, it was not finished, its files do not fit each other, or it holds other
                features than those wanted: of the same shape they would be nonsense that nobody notices.
        """
        directory = Path(directory)
        marker = read_marker(directory)
        if marker is None:
            raise FeatureError(directory, "holds no complete feature store", "run: asr features MANIFEST --out DIR")
        try:
            text = (directory / INDEX).read_bytes()
            size = (directory / FEATURES).stat().st_size
            if zlib.crc32(text) != marker["index_crc32"]:
                raise FeatureError(directory / INDEX, "was changed after it was written", REMEDY)
            header = json.loads(text)
            store = cls(directory, header, _open_index(directory / IDS, header), marker["notes"])
            expected = store._last_row * store.bins * store.dtype.itemsize
            if not size == marker["bytes"] == expected:
                reason = f"has {size} bytes where {expected} are expected"
                raise FeatureError(directory / FEATURES, reason, REMEDY)
            if wanted is not None and not wanted.computes_as(store.config):
                raise FeatureError(directory, "was computed with other feature settings", "run 'asr features --force'")
            return store
        except FileNotFoundError as error:
            raise FeatureError(error.filename, "is missing from the feature store", REMEDY) from None
        except (ValidationError, ValueError, KeyError, TypeError) as error:
            reason = f"is not a feature store that this version reads ({' '.join(str(error).split())})"
            raise FeatureError(directory, reason, REMEDY) from None

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and self.index.number(id) is not None

    def __len__(self) -> int:
        return len(self.index)

    def __iter__(self) -> Iterator[str]:
        """Ids in the order they were written."""
        return iter(self.index.ids)

    def number(self, id: str) -> int:
        """Place of an utterance in the order they were written, from 0.

        Raises:
            FeatureError: the id is not in the store.
        """
        number = self.index.number(id)
        if number is None:
            raise FeatureError(id, f"is not in the feature store {self.directory}", REMEDY)
        return number

    def frames(self, id: str) -> int:
        """Number of frames T of one utterance.

        Raises:
            FeatureError: the id is not in the store.
        """
        start, end = self._span(self.number(id))
        return end - start

    def checksum(self, id: str) -> int:
        """CRC-32 of one utterance's stored bytes, from the index; equal features have equal ones.

        Raises:
            FeatureError: the id is not in the store.
        """
        return int(self.index.checksums[self.number(id)])

    def __getitem__(self, id: str) -> np.ndarray:
        """Features (T, F) float32 of one utterance, a copy.

        Raises:
            FeatureError: the id is not in the store, or its bytes are not those that were written.
        """
        number = self.number(id)
        start, end = self._span(number)
        rows = self._map()[start:end]
        if zlib.crc32(rows.data) != self.index.checksums[number]:
            raise FeatureError(id, f"its features in {self.directory / FEATURES} are corrupt", REMEDY)
        copied = rows.astype(np.float32)
        self._forget(start, end)
        return copied

    def _span(self, number: int) -> tuple[int, int]:
        ends = self.index.ends
        return (int(ends[number - 1]) if number else 0), int(ends[number])

    @property
    def _last_row(self) -> int:
        """Rows in all."""
        return int(self.index.ends[-1]) if len(self) else 0

    def _map(self) -> np.ndarray:
        """All rows (sum of T, F), mapped on first use in this process."""
        if self._rows is None:
            shape = (self._last_row, self.bins)
            if self._last_row == 0:  # an empty file cannot be mapped
                self._rows = np.empty(shape, self.dtype)
            else:
                self._rows = np.memmap(self.directory / FEATURES, dtype=self.dtype, mode="r", shape=shape)
        return self._rows

    def _forget(self, start: int, end: int) -> None:
        """Take pages out of this process's memory, where else the whole store would come to be; they stay cached."""
        mapping = getattr(self._rows, "_mmap", None)
        if mapping is None or not hasattr(mmap, "MADV_DONTNEED"):
            return
        row = self.bins * self.dtype.itemsize
        begin = start * row // AROUND * AROUND
        stop = min(-(-end * row // AROUND) * AROUND, len(mapping))
        if stop > begin:
            mapping.madvise(mmap.MADV_DONTNEED, begin, stop - begin)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_rows": None}


def read_marker(directory: Path) -> dict[str, Any] | None:
    """Content of complete.json; None when the store is missing or was never finished."""
    try:
        marker = json.loads((directory / COMPLETE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return marker if isinstance(marker, dict) and marker.get("format") == FORMAT else None


def _save_index(path: Path, frames: dict[str, int], checksums: list[int]) -> int:
    return StoreIndex.of(frames, list(frames.values()), checksums).save(path)


def _open_index(path: Path, header: dict[str, Any]) -> StoreIndex:
    if file_checksum(path) != header["ids_crc32"]:
        raise FeatureError(path, "was changed after it was written", REMEDY)
    return StoreIndex.mapped(path, header["utterances"])


def _write(path: Path, text: str) -> None:
    with atomic_write(path) as stream:
        stream.write(text)
