"""Writing a corpus as tar shards: stored features, or audio, a manifest's utterances in a random order.

Neighbours of a shard train together, so the order is shuffled over the whole manifest here, once; while training,
shards are shuffled again, and utterances within a bounded buffer.

Shapes: T frames, F features.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Literal, cast

import numpy as np

from asr.audio.reading import encode_audio, read_audio
from asr.config.sections import FeatureConfig
from asr.corpus.manifest import ManifestLines
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, FeatureError, UsageError
from asr.features.computing import speed_id
from asr.features.normalisation import GLOBAL, SPEAKERS
from asr.features.store import FeatureStore
from asr.files import atomic_directory, atomic_write
from asr.processes import ordered_map
from asr.progress import track
from asr.seeding import generator_for
from asr.shards.index import SetEntry
from asr.shards.indexing import IndexBuilder
from asr.shards.samples import FIELDS, features_suffix, pack_fields, pack_matrix
from asr.shards.tar import ShardWriter, shard_key

Sample = tuple[Utterance, dict[str, bytes]]


def write_shards(
    manifest: str | Path,
    out: str | Path,
    *,
    store: str | Path | None = None,
    audio: Literal["flac", "opus"] | None = None,
    sample_rate: int = 16000,
    megabytes: float = 128.0,
    utterances: int = 1000,
    seed: int = 1,
    jobs: int = 1,
) -> SetEntry:
    """Write every utterance of a manifest into shards, with their index; whole or not at all.

    Args:
        manifest: JSONL manifest.
        out: folder of the shards; must be new or empty.
        store: feature store to take features from, at all its speeds.
        audio: or the audio, cut to the utterance, mono at `sample_rate`: FLAC (16 bits), or the lossy Opus.
        sample_rate: Hz, of audio.
        megabytes: a shard ends with the utterance that passes this size (10^6 bytes),
        utterances: or with this many.
        seed: of the order; the same manifest and seed give the same shards.
        jobs: processes that read and encode audio.

    Returns:
        What the index says.

    Raises:
        UsageError: both or neither of `store` and `audio`, or `out` holds files.
        CorpusError: malformed manifest, or an id twice.
        FeatureError: the store is broken or lacks an utterance.
        AudioError: an utterance is unreadable; it is named.
    """
    out = Path(out)
    if (store is None) == (audio is None):
        raise UsageError("asr shard", "needs either --store or --audio", "say what the shards are to hold")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(out, "exists and is not empty", "choose another folder, or remove it first")
    lines = ManifestLines(manifest)
    order = generator_for(seed, "shards").permutation(len(lines))
    ordered = (lines[int(number)] for number in order)
    with atomic_directory(out) as folder:
        if store is not None:
            opened = FeatureStore.open(store)
            features: FeatureConfig | None = opened.config
            samples = _stored(ordered, opened)
            for name in (GLOBAL, SPEAKERS):
                if (Path(store) / name).exists():
                    shutil.copy(Path(store) / name, folder / name)
        else:
            features = None
            samples = ordered_map(_Encoder(str(audio), sample_rate), ordered, jobs)
        tracked = track(samples, "shards", total=len(lines))
        return _write(tracked, IndexBuilder(folder, features), megabytes * 1e6, utterances)


def _write(samples: Iterable[Sample], builder: IndexBuilder, most_bytes: float, most_utterances: int) -> SetEntry:
    waiting = iter(samples)
    ahead = next(waiting, None)
    number = 0
    with builder:
        while ahead is not None:
            name = f"shard-{number:06d}.tar"
            with atomic_write(builder.folder / name, "wb") as stream:
                writer = ShardWriter(cast(BinaryIO, stream))
                count = 0
                while ahead is not None and count < most_utterances and writer.size < most_bytes:
                    utterance, files = ahead
                    builder.add(writer.append(shard_key(utterance.id), files), name)
                    ahead = next(waiting, None)
                    count += 1
                sha256 = writer.close()
            builder.end_shard(name, writer.size, sha256)
            number += 1
        return builder.finish()


def _stored(utterances: Iterable[Utterance], store: FeatureStore) -> Iterator[Sample]:
    """Samples with the features of a store, in the precision of the store."""
    speeds = [float(speed) for speed in store.notes.get("speeds", [1.0])]
    if 1.0 not in speeds:
        raise FeatureError(store.directory, "does not hold the recorded speed", "run 'asr features --speeds' with 1.0")
    for utterance in utterances:
        files = {FIELDS: pack_fields(utterance)}
        for speed in sorted(speeds, key=lambda speed: (speed != 1.0, speed)):
            matrix: np.ndarray = store[speed_id(utterance.id, speed)].astype(store.dtype)
            files[features_suffix(speed)] = pack_matrix(matrix)
        yield utterance, files


class _Encoder:
    """Reads and encodes the audio of one utterance; sent to worker processes."""

    def __init__(self, payload: str, sample_rate: int) -> None:
        self.payload, self.sample_rate = payload, sample_rate

    def __call__(self, utterance: Utterance) -> Sample:
        try:
            wave = read_audio(
                utterance.audio,
                sample_rate=self.sample_rate,
                start=utterance.start,
                duration=utterance.duration,
                channel=utterance.channel,
            )
            content = encode_audio(wave, self.sample_rate, self.payload.upper())
        except AsrError as error:
            raise type(error)(f"utterance {utterance.id} ({error.subject})", error.reason, error.remedy) from None
        return utterance, {FIELDS: pack_fields(utterance), self.payload: content}
