"""One utterance of a shard: from the bytes of its span to its fields and its payload, and back.

Shapes: T frames, F features, N samples.
"""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from asr.audio.reading import audio_info, read_audio
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError
from asr.packed import id_hash
from asr.shards.index import ShardIndex
from asr.shards.tar import Span, unpack

FIELDS = "json"
AUDIO = ("flac", "opus")
CORRUPT = "copy the shard again; 'asr shard --verify' lists all that is damaged"
# Members that are not wanted are read through when they are few bytes: going on costs less than asking anew.
LOCAL_GAP, REMOTE_GAP = 1 << 16, 1 << 20
RUN = 8 << 20  # bytes of one run; what is held beside the samples themselves


def features_suffix(speed: float) -> str:
    """Suffix of the features at a playing speed: "npy", "sp0.9.npy"."""
    return "npy" if speed == 1.0 else f"sp{speed:g}.npy"


def suffix_speed(suffix: str) -> float | None:
    """The speed that `features_suffix` wrote; None for any other suffix."""
    if suffix == "npy":
        return 1.0
    try:
        return float(suffix[2:-4]) if suffix.startswith("sp") and suffix.endswith(".npy") else None
    except ValueError:
        return None


def pack_fields(utterance: Utterance) -> bytes:
    """The fields of an utterance that do not say where its audio was, as JSON."""
    fields: dict[str, Any] = {
        "id": utterance.id, "duration": round(utterance.duration, 6), "text": utterance.text,
        "speaker": utterance.speaker,
    }  # fmt: skip
    return json.dumps(fields | utterance.extra, ensure_ascii=False).encode()


def unpack_fields(files: Mapping[str, bytes], place: str) -> Utterance:
    """The utterance of a sample.

    Args:
        files: suffix -> content.
        place: names shard and sample; it stands for the path of the audio.

    Raises:
        CorpusError: no JSON, or fields of the wrong type.
    """
    try:
        fields = json.loads(files[FIELDS])
        identifier, text = fields.pop("id"), fields.pop("text", "")
        duration, speaker = float(fields.pop("duration", 0.0)), fields.pop("speaker", "")
        if not all(isinstance(value, str) for value in (identifier, text, speaker)) or not identifier:
            raise ValueError("id, text and speaker must be strings")
    except KeyError as error:
        raise CorpusError(place, f"has no {error.args[0]!r}", "write the shards with 'asr shard'") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise CorpusError(place, f"its JSON is broken ({error})", CORRUPT) from None
    return Utterance(identifier, place, 0.0, duration, text=text, speaker=speaker, extra=fields)


def pack_matrix(matrix: np.ndarray) -> bytes:
    """A matrix (T, F) as the bytes of a .npy file."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(matrix), allow_pickle=False)
    return stream.getvalue()


def unpack_matrix(content: bytes, place: str) -> np.ndarray:
    """The matrix (T, F) of a .npy file, float32.

    Raises:
        CorpusError: broken, or not a matrix of floats.
    """
    try:
        matrix = np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        if matrix.ndim != 2 or matrix.dtype.kind != "f":
            raise ValueError(f"shape {matrix.shape}, type {matrix.dtype}")
    except (ValueError, EOFError, OSError) as error:
        raise CorpusError(place, f"its features cannot be read ({error})", CORRUPT) from None
    return matrix.astype(np.float32)


def unpack_wave(files: Mapping[str, bytes], sample_rate: int, place: str) -> np.ndarray:
    """The audio (N,) of a sample, float32 in -1..1.

    Raises:
        CorpusError: no audio in it.
        AudioError: unreadable.
    """
    return read_audio(_named(_audio_of(files, place), place), sample_rate=sample_rate)


def lengths_of(files: Mapping[str, bytes], place: str) -> tuple[str, float, dict[float, int]]:
    """Payload, rate (0 for features, whose files do not say) and length at each speed, from the headers alone.

    Raises:
        CorpusError: no payload, or a broken header.
        AudioError: a broken header.
    """
    for payload in AUDIO:
        if payload in files:
            info = audio_info(_named(files[payload], place))
            return payload, float(info.sample_rate), {1.0: info.frames}
    lengths: dict[float, int] = {}
    for suffix, content in files.items():
        if (speed := suffix_speed(suffix)) is None:
            continue
        lengths[speed] = len(unpack_matrix(content, f"{place}.{suffix}"))
    if 1.0 not in lengths:
        raise CorpusError(place, "holds neither features nor FLAC nor Opus", "write the shards with 'asr shard'")
    return "npy", 0.0, lengths


def read_spans(index: ShardIndex, shard: int, records: np.ndarray) -> Iterator[bytes]:
    """The spans of some of a shard's members, read forward with as few requests as their gaps allow.

    Args:
        index: of the shards.
        shard: number of the shard.
        records: members in ascending order of offset.

    Raises:
        CorpusError: bytes are missing, or not those that were written.
    """
    name = index.entry.shards[shard].name
    gap = REMOTE_GAP if index.location.remote else LOCAL_GAP
    for begin, end in _runs(records, gap):
        first = int(records["offset"][begin])
        last = int(records["offset"][end - 1]) + int(records["bytes"][end - 1])
        run = memoryview(b"".join(index.location.ranges(name, first, last)))
        for record in records[begin:end]:
            start = int(record["offset"]) - first
            span = bytes(run[start : start + int(record["bytes"])])
            if zlib.crc32(span) != record["crc32"]:
                place = f"{index.location.name(name)}, byte {int(record['offset'])}"
                raise CorpusError(place, f"{_key_of(span)} is damaged: its checksum is wrong", CORRUPT)
            yield span


def utterance_at(index: ShardIndex, shard: int, number: int) -> Utterance:
    """Fields of one utterance, read from its shard.

    Raises:
        CorpusError: as `read_spans` and `unpack_fields`.
    """
    place = f"{index.location.name(index.entry.shards[shard].name)}, utterance {number}"
    span = next(read_spans(index, shard, index.members(shard, number, number + 1)))
    return unpack_fields(unpack(span, place), place)


def utterance_with(index: ShardIndex, hashes: set[int]) -> Iterator[tuple[int, Utterance]]:
    """Shard and fields of every utterance whose id has one of some hashes (`id_hash`)."""
    wanted = np.array(sorted(hashes), dtype=np.uint64)
    done = 0
    for block in index.blocks():
        for row in np.flatnonzero(np.isin(block["id"], wanted)):
            shard, number = index.place(done + int(row))
            utterance = utterance_at(index, shard, number)
            if id_hash(utterance.id) in hashes:
                yield shard, utterance
        done += len(block)


def place_of(span: Span, shard: str) -> str:
    """How messages call a sample."""
    return f"{shard}, {span.key}"


def _runs(records: np.ndarray, gap: int) -> Iterator[tuple[int, int]]:
    """(begin, end) of members to read in one go: no gap over `gap` bytes, RUN bytes in all unless one is larger."""
    begin = 0
    for position in range(1, len(records) + 1):
        if position < len(records):
            previous_end = int(records["offset"][position - 1]) + int(records["bytes"][position - 1])
            here = int(records["offset"][position])
            size = here + int(records["bytes"][position]) - int(records["offset"][begin])
            if here - previous_end <= gap and size <= RUN:
                continue
        yield begin, position
        begin = position


def _key_of(span: bytes) -> str:
    return repr(span[:100].split(b"\0")[0].partition(b".")[0].decode(errors="replace"))


def _audio_of(files: Mapping[str, bytes], place: str) -> bytes:
    for payload in AUDIO:
        if payload in files:
            return files[payload]
    raise CorpusError(place, "holds no audio", "write the shards with 'asr shard --audio flac'")


def _named(content: bytes, place: str) -> io.BytesIO:
    stream = io.BytesIO(content)
    stream.name = place  # type: ignore[attr-defined]
    return stream
