"""Making the index: of shards as they are written, or of shards that lie there without one."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

import numpy as np

from asr.config.sections import FeatureConfig
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.packed import id_hash
from asr.progress import track
from asr.shards.index import (
    FORMAT,
    INDEX,
    MEMBERS,
    Payload,
    SetEntry,
    ShardEntry,
    ShardIndex,
    doubled_hashes,
    member_type,
    write_index,
)
from asr.shards.location import Location
from asr.shards.samples import lengths_of, place_of, unpack_fields, utterance_with
from asr.shards.tar import READ_SIZE, Span, scan
from asr.units import required_frames


@dataclass
class _Shard:
    """What is known of the shard being indexed."""

    rows: list[tuple[int, int, int, int, int, tuple[int, ...]]] = field(default_factory=list)
    seconds: float = 0.0
    longest: float = 0.0
    characters: set[str] = field(default_factory=set)


class IndexBuilder:
    """Collects records as samples come, and writes the index when all shards are done.

    In memory are the records of one shard and a line a shard.

    Args:
        folder: of the shards; members.bin is written as shards end, index.json by `finish`.
        features: how features were computed; None where the shards hold audio.
    """

    def __init__(self, folder: str | Path, features: FeatureConfig | None) -> None:
        self.folder = Path(folder)
        self.features = features
        self._payload: Payload | None = None
        self._rate = 0.0
        self._speeds: list[float] = []
        self._shard = _Shard()
        self._entries: list[ShardEntry] = []
        self._speakers: set[str] = set()
        self._synthetic = False
        self._stream: BinaryIO | None = None

    def __enter__(self) -> IndexBuilder:
        (self.folder / INDEX).unlink(missing_ok=True)
        self._stream = (self.folder / MEMBERS).open("wb")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._stream is not None:
            self._stream.close()

    def add(self, span: Span, shard: str) -> Utterance:
        """Note one sample of the shard at hand; returns its fields.

        Raises:
            CorpusError: broken, or of another kind, rate or speeds than the samples before it.
        """
        place = place_of(span, shard)
        utterance = unpack_fields(span.files, place)
        lengths = self._checked_lengths(span, place)
        needed = required_frames(" ".join(utterance.text.split()))
        self._shard.rows.append((span.offset, id_hash(utterance.id), span.size, span.crc32, needed, lengths))
        seconds = lengths[0] / self._rate
        self._shard.seconds += seconds
        self._shard.longest = max(self._shard.longest, seconds)
        self._shard.characters |= set(utterance.text)
        if utterance.speaker:
            self._speakers.add(utterance.speaker)
        self._synthetic = self._synthetic or bool(utterance.extra.get("synthetic"))
        return utterance

    def end_shard(self, name: str, size: int, sha256: str) -> None:
        """The shard at hand is complete."""
        if self._stream is None:
            raise ValueError("end_shard() works inside the builder's with block only")
        shard, self._shard = self._shard, _Shard()
        rows = np.array(shard.rows, dtype=member_type(len(self._speeds)))
        self._stream.write(rows.tobytes())
        self._entries.append(
            ShardEntry(
                name=name,
                bytes=size,
                sha256=sha256,
                utterances=len(rows),
                seconds=shard.seconds,
                longest=shard.longest,
                characters="".join(sorted(shard.characters - {" "})),
            )
        )

    def finish(self) -> SetEntry:
        """Check that ids are unique and write index.json.

        Raises:
            CorpusError: no shard, or two utterances of one id.
        """
        if self._stream is None or self._payload is None or not self._entries:
            raise CorpusError(self.folder, "holds no utterances", "give a manifest, or a folder with .tar files")
        self._stream.close()
        utterances = sum(entry.utterances for entry in self._entries)
        entry = SetEntry(
            format=FORMAT,
            payload=self._payload,
            rate=self._rate,
            speeds=self._speeds,
            features=self.features,
            utterances=utterances,
            seconds=sum(entry.seconds for entry in self._entries),
            speakers=len(self._speakers),
            synthetic=self._synthetic,
            members_bytes=utterances * member_type(len(self._speeds)).itemsize,
            shards=self._entries,
        )
        refuse_doubled_ids(ShardIndex(Location(self.folder), entry, self.folder / MEMBERS))
        write_index(self.folder, entry)
        return entry

    def _checked_lengths(self, span: Span, place: str) -> tuple[int, ...]:
        payload, rate, lengths = lengths_of(span.files, place)
        if payload == "npy":
            if self.features is None:
                raise CorpusError(place, "holds features, computed nobody knows how", "name their --config")
            rate = 1000 / self.features.frame_shift_ms
        speeds = sorted(lengths, key=lambda speed: (speed != 1.0, speed))
        if self._payload is None:
            self._payload, self._rate, self._speeds = payload, rate, speeds  # type: ignore[assignment]
        if (payload, rate, speeds) != (self._payload, self._rate, self._speeds):
            found = f"{payload} at {rate:g} a second, speeds {speeds}"
            wanted = f"{self._payload} at {self._rate:g} a second, speeds {self._speeds}"
            raise CorpusError(place, f"is {found} among {wanted}", "keep different kinds in folders of their own")
        return tuple(lengths[speed] for speed in speeds)


def index_shards(folder: str | Path, features: FeatureConfig | None = None) -> SetEntry:
    """Make the index of the tars in a local folder, whoever wrote them in the WebDataset layout.

    Args:
        folder: with `*.tar`, taken in the order of their names.
        features: how their features were computed, where they hold features.

    Raises:
        CorpusError: no tars; a cut or damaged tar; a sample without id, or without payload; an id twice.
    """
    folder = Path(folder)
    tars = sorted(folder.glob("*.tar"))
    if not tars:
        raise CorpusError(folder, "holds no .tar files", "name a folder of shards")
    with IndexBuilder(folder, features) as builder:
        for path in track(tars, "indexing shards"):
            with path.open("rb") as stream:
                for span in scan(stream, str(path)):
                    builder.add(span, str(path))
            builder.end_shard(path.name, path.stat().st_size, _sha256(path))
        return builder.finish()


def refuse_doubled_ids(index: ShardIndex) -> None:
    """Raise CorpusError when two utterances have one id, naming the first such and where it is."""
    doubled = set(doubled_hashes(index))
    seen: dict[str, str] = {}
    for shard, utterance in utterance_with(index, doubled) if doubled else ():
        name = index.entry.shards[shard].name
        if utterance.id in seen:
            where = f"is in {seen[utterance.id]} and in {name}" if seen[utterance.id] != name else f"is twice in {name}"
            raise CorpusError(utterance.id, where, "give each utterance its own id")
        seen[utterance.id] = name


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(READ_SIZE):
            digest.update(block)
    return digest.hexdigest()
