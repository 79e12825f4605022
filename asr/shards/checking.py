"""What is wrong with a set of shards: every byte is read once, in memory bounded by one shard's records."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from asr.corpus.utterance import Utterance
from asr.errors import AsrError, CorpusError
from asr.packed import id_hash
from asr.progress import track
from asr.shards.index import REMEDY, ShardEntry, ShardIndex, doubled_hashes
from asr.shards.samples import AUDIO, features_suffix, place_of, unpack_fields, unpack_matrix, unpack_wave
from asr.shards.tar import READ_SIZE, Span, scan
from asr.units import Units, required_frames

SECONDS_TOLERANCE = 0.01  # of a sum of seconds, written as a decimal number
DAMAGED = "copy the shard again or write it anew"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong: the shard, sample or utterance, and what and how to mend it, one line."""

    subject: str
    message: str

    def __str__(self) -> str:
        return f"{self.subject}: {self.message}"


def check_shards(address: str | Path, *, units: Units | None = None, frame_seconds: float = 0.04) -> Iterator[Fault]:
    """Yield the faults of a set of shards: tars against their index, payloads, ids, and texts against units.

    Checked are sizes, SHA-256 and CRC-32, that each sample can be read and is as long as the index says, numbers of
    utterances and seconds, and that every id is there once.

    Args:
        address: folder or URL.
        units: what the texts must be spelled with, and fit their frames in; None does not check texts.
        frame_seconds: seconds of one output frame of the model.

    Raises:
        CorpusError: there is no index, or it cannot be read.
    """
    index = ShardIndex.open(address)
    for number in track(range(len(index.entry.shards)), "verifying shards"):
        yield from _Checker(index, number, units, frame_seconds).faults()
    yield from _doubled(index)


class _Checker:
    """Compares one tar with its part of the index."""

    def __init__(self, index: ShardIndex, number: int, units: Units | None, frame_seconds: float) -> None:
        self.index, self.units, self.frame_seconds = index, units, frame_seconds
        self.entry: ShardEntry = index.entry.shards[number]
        self.name = index.location.name(self.entry.name)
        self.records = index.members(number)
        self.seconds = 0.0

    def faults(self) -> Iterator[Fault]:
        """Everything wrong with the shard; a cut tar ends with the cut."""
        count = 0
        try:
            with self.index.location.stream(self.entry.name) as stream:
                source = _Hashed(stream)
                for span in scan(source, self.name):  # type: ignore[arg-type]
                    if count < len(self.records):
                        yield from self._sample(span, self.records[count])
                    count += 1
                source.drain()
        except CorpusError as error:
            yield Fault(error.subject, f"{error.reason}; {error.remedy}")
            return
        if source.size != self.entry.bytes:
            yield Fault(self.name, f"has {source.size} bytes, the index says {self.entry.bytes}; {DAMAGED}")
        elif source.digest.hexdigest() != self.entry.sha256:
            yield Fault(self.name, f"its SHA-256 is not the one in the index; {DAMAGED}")
        if count != len(self.records):
            yield Fault(self.name, f"holds {count} utterances, the index says {len(self.records)}; {REMEDY}")
        elif abs(self.seconds - self.entry.seconds) > SECONDS_TOLERANCE:
            reason = f"holds {self.seconds:.2f} s, the index says {self.entry.seconds:.2f} s"
            yield Fault(self.name, f"{reason}; {REMEDY}")

    def _sample(self, span: Span, record: np.void) -> Iterator[Fault]:
        place = place_of(span, self.name)
        if (span.offset, span.size) != (record["offset"], record["bytes"]):
            yield Fault(place, f"lies elsewhere than the index says; {REMEDY}")
            return
        if span.crc32 != record["crc32"]:
            yield Fault(place, f"its bytes are not those that were written; {DAMAGED}")
        try:
            utterance = unpack_fields(span.files, place)
            lengths = self._lengths(span, place)
        except AsrError as error:
            yield Fault(place, f"{error.reason}; {error.remedy}")
            return
        self.seconds += lengths[0] / self.index.entry.rate
        if id_hash(utterance.id) != record["id"]:
            yield Fault(place, f"is {utterance.id}, which is not whom the index names; {REMEDY}")
        if lengths != record["length"].tolist():
            unit = "samples" if self.index.entry.payload in AUDIO else "frames"
            yield Fault(place, f"has {lengths} {unit}, the index says {record['length'].tolist()}; {REMEDY}")
        if self.units is not None:
            yield from self._text(utterance, place, lengths[0], self.units)

    def _lengths(self, span: Span, place: str) -> list[int]:
        """Length at each speed, from the decoded payload."""
        entry = self.index.entry
        if entry.payload in AUDIO:
            return [len(unpack_wave(span.files, int(entry.rate), place))]
        lengths = []
        for speed in entry.speeds:
            suffix = features_suffix(speed)
            if suffix not in span.files:
                raise CorpusError(place, f"has no .{suffix}", DAMAGED)
            matrix = unpack_matrix(span.files[suffix], place)
            if not np.isfinite(matrix).all():
                raise CorpusError(place, f".{suffix} holds values that are not finite", "write the shards anew")
            lengths.append(len(matrix))
        return lengths

    def _text(self, utterance: Utterance, place: str, length: int, units: Units) -> Iterator[Fault]:
        missing = units.missing(utterance.text) if units.kind in ("characters", "phones") else []
        if missing:
            listed = " ".join(map(repr, missing))
            yield Fault(place, f"{utterance.id} has {listed} outside the units; normalise the texts, write anew")
            return
        needed, have = (
            required_frames(units.encode(utterance.text)),
            int(length / self.index.entry.rate / self.frame_seconds),
        )
        if needed > have:
            reason = f"the text of {utterance.id} needs {needed} frames and has {have}"
            yield Fault(place, f"{reason}; drop it with 'asr validate --units --fix' and write the shards anew")


class _Hashed:
    """A forward stream that counts and hashes what is read."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self.digest = hashlib.sha256()
        self.size = 0

    def read(self, count: int) -> bytes:
        data: bytes = self._stream.read(count)
        self.digest.update(data)
        self.size += len(data)
        return data

    def drain(self) -> None:
        """Read what is left."""
        while self.read(READ_SIZE):
            pass


def _doubled(index: ShardIndex) -> Iterator[Fault]:
    """Ids that are there twice; without reading the shards, so a broken one does not hide them."""
    doubled = np.array(doubled_hashes(index), dtype=np.uint64)
    if not len(doubled):
        return
    done = 0
    for block in index.blocks():
        for row in np.flatnonzero(np.isin(block["id"], doubled)):
            shard, number = index.place(done + int(row))
            name = index.location.name(index.entry.shards[shard].name)
            yield Fault(f"{name}, utterance {number}", "its id is in the set more than once; give each its own")
        done += len(block)
