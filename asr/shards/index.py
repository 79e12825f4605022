"""The index beside a set of shards: what is where, so that an epoch can be planned without opening one tar.

A set of shards is a folder:

    shard-000000.tar ...   utterances (`asr/shards/tar.py`)
    members.bin            one fixed record an utterance (`member_type`), in the order of shards and spans
    index.json             written last: what the payload is, and of each shard its name, bytes, SHA-256, number of
                           utterances, seconds, longest utterance and characters

Times: lengths are frames where shards hold features, and samples where they hold audio.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from asr.config.sections import FeatureConfig
from asr.errors import CorpusError
from asr.files import atomic_write
from asr.shards.location import Location

INDEX, MEMBERS = "index.json", "members.bin"
FORMAT = 1
REMEDY = "write the shards again, or make the index anew with: asr shard --index FOLDER"
BLOCK = 65536  # records read at once
Payload = Literal["npy", "flac", "opus"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ShardEntry(_Strict):
    """One shard: its file, its checksum and what is in it; `longest` and `seconds` are at the recorded speed."""

    name: str = Field(pattern=r"^[^/\\]+\.tar$")
    bytes: int = Field(ge=0)
    sha256: str
    utterances: int = Field(ge=1)
    seconds: float = Field(ge=0)
    longest: float = Field(ge=0)
    characters: str


class SetEntry(_Strict):
    """The whole set.

    Attributes:
        payload: what an utterance's data are: features, FLAC or Opus.
        rate: units of length in a second: frames, or samples.
        speeds: playing speeds that are stored, 1.0 first; audio has that alone.
        features: how features were computed; None for audio.
        speakers: number of different ones.
        synthetic: some utterance says it is.
    """

    format: Literal[1]
    payload: Payload
    rate: float = Field(gt=0)
    speeds: list[float] = Field(min_length=1)
    features: FeatureConfig | None
    utterances: int = Field(ge=1)
    seconds: float = Field(ge=0)
    speakers: int = Field(ge=0)
    synthetic: bool
    members_bytes: int
    shards: list[ShardEntry] = Field(min_length=1)


def member_type(speeds: int) -> np.dtype[Any]:
    """Layout of one record of members.bin.

    offset and bytes place the span in its shard, crc32 covers it; `id` is `id_hash`; `needed` is the number of output
    frames that CTC needs for the text as characters; `length` holds one length for each speed.
    """
    return np.dtype(
        [
            ("offset", "<u8"),
            ("id", "<u8"),
            ("bytes", "<u4"),
            ("crc32", "<u4"),
            ("needed", "<u4"),
            ("length", "<u4", (speeds,)),
        ]
    )


@dataclass
class ShardIndex:
    """An open index. In memory is what index.json says, a line a shard; records are read from disk when asked for.

    Attributes:
        location: of the shards.
        entry: what index.json says.
        path: of members.bin; a temporary copy where the shards are behind a URL.
        identity: SHA-256 of index.json.
    """

    location: Location
    entry: SetEntry
    path: Path
    identity: str = ""

    def __post_init__(self) -> None:
        self.type = member_type(len(self.entry.speeds))
        counts = np.array([shard.utterances for shard in self.entry.shards], dtype=np.int64)
        self._first = np.concatenate([[0], np.cumsum(counts)])

    @classmethod
    def open(cls, address: str | Path) -> ShardIndex:
        """Read the index of a folder or URL.

        Raises:
            CorpusError: there is none, it is broken, or members.bin does not belong to it.
        """
        location = Location(address)
        text = location.read(INDEX)
        try:
            entry = SetEntry.model_validate(json.loads(text))
        except (ValueError, ValidationError) as error:
            reason = " ".join(str(error).split())[:200]
            raise CorpusError(location.name(INDEX), f"is not an index of shards ({reason})", REMEDY) from None
        path = location.fetch(MEMBERS)
        index = cls(location, entry, path, hashlib.sha256(text).hexdigest())
        total = sum(shard.utterances for shard in entry.shards)
        if not path.stat().st_size == entry.members_bytes == total * index.type.itemsize or total != entry.utterances:
            raise CorpusError(location.name(MEMBERS), f"does not belong to the {INDEX} beside it", REMEDY)
        return index

    def __len__(self) -> int:
        """Number of utterances."""
        return self.entry.utterances

    def members(self, shard: int, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Records (N,) of `member_type` of one shard's utterances `begin` to `end`."""
        first = int(self._first[shard])
        stop = int(self._first[shard + 1]) if end is None else first + end
        return self._records(first + begin, stop)

    def blocks(self) -> Iterator[np.ndarray]:
        """All records in order, at most BLOCK at once."""
        for begin in range(0, len(self), BLOCK):
            yield self._records(begin, min(len(self), begin + BLOCK))

    def place(self, number: int) -> tuple[int, int]:
        """Shard, and number within it, of an utterance counted over the set."""
        shard = int(np.searchsorted(self._first, number, side="right")) - 1
        return shard, number - int(self._first[shard])

    def _records(self, begin: int, end: int) -> np.ndarray:
        # Read, not mapped: mapped pages would count as this process's memory and grow with the corpus.
        size = self.type.itemsize
        return np.fromfile(self.path, self.type, count=end - begin, offset=begin * size)


def write_index(folder: Path, entry: SetEntry) -> None:
    """Write index.json, which makes a folder of shards whole."""
    with atomic_write(folder / INDEX) as stream:
        stream.write(json.dumps(entry.model_dump(), ensure_ascii=False, indent=1) + "\n")


def doubled_hashes(index: ShardIndex, most: int = 1 << 22) -> list[int]:
    """Hashes of ids that more than one utterance has, in memory bounded by `most` hashes.

    The hashes are sorted a part at a time; the part is chosen by the hash itself, so equal ones meet.
    """
    parts = -(-len(index) // most)
    doubled: list[int] = []
    for part in range(parts):
        chosen = [block["id"][block["id"] % np.uint64(parts) == part] for block in index.blocks()]
        ordered = np.sort(np.concatenate(chosen))
        doubled += [int(value) for value in np.unique(ordered[1:][ordered[1:] == ordered[:-1]])]
    return doubled
