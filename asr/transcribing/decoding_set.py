"""Decode the utterances of a manifest into a folder that the scorer reads.

The folder gets `ref.trn`, `hyp.trn`, `hyp.ctm` and `log_probs.npz` (for tuning and comparing decoders without the
model), each written whole or not at all.

Shapes: T feature frames, F features, T' output frames, V units.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from asr.audio import read_audio
from asr.batching import Item, plan_in_order
from asr.config import BatchingConfig
from asr.corpus.manifest import load_manifest
from asr.corpus.utterance import Utterance
from asr.decoding.hypothesis import Hypothesis
from asr.decoding.log_probs import write_log_probs
from asr.errors import AsrError, FeatureError
from asr.features.store import FeatureStore
from asr.files import atomic_write
from asr.model.directory import UNITS
from asr.progress import track
from asr.transcribing.recognizer import Recognizer

LOGGER = logging.getLogger("asr")


@dataclass(frozen=True)
class DecodingSummary:
    """What was decoded, and how fast.

    Attributes:
        utterances: decoded.
        failed: ids that could not be read; they have no hypothesis and will be scored as deletions.
        audio_seconds: of speech decoded.
        model_seconds: wall time from features or audio to log-probabilities.
        search_seconds: wall time from log-probabilities to text.
    """

    utterances: int
    failed: list[str]
    audio_seconds: float
    model_seconds: float
    search_seconds: float

    @property
    def real_time_factor(self) -> float:
        """Seconds of work per second of audio."""
        return (self.model_seconds + self.search_seconds) / max(self.audio_seconds, 1e-9)

    @property
    def search_factor(self) -> float:
        """The decoder's share of `real_time_factor`."""
        return self.search_seconds / max(self.audio_seconds, 1e-9)


def decode_set(
    recognizer: Recognizer,
    manifest: str | Path,
    out: str | Path,
    *,
    features: str | Path | None = None,
    batch_size: int = 16,
) -> DecodingSummary:
    """Decode every utterance of a manifest.

    Args:
        recognizer: model and decoder.
        manifest: JSONL manifest.
        out: folder to write.
        features: store with the manifest's features; None computes them from the audio.
        batch_size: utterances that go through the model together; does not change the text.

    Raises:
        FeatureError: the store lacks an utterance.
    """
    out = Path(out)
    utterances = load_manifest(manifest)
    store = FeatureStore.open(features) if features is not None else None
    failed: list[str] = []
    started = time.monotonic()
    log_probs = dict(_log_probs(recognizer, utterances, store, batch_size, failed))
    model_seconds = time.monotonic() - started
    started = time.monotonic()
    decoded = [u for u in utterances if u.id in log_probs]
    hypotheses = {u.id: recognizer.decoder.decode(log_probs[u.id])[0] for u in track(decoded, "decoding")}
    search_seconds = time.monotonic() - started
    recognizer.report_phrases([hypothesis.text for hypothesis in hypotheses.values()])
    write_log_probs(
        out / "log_probs.npz",
        ((u.id, log_probs[u.id]) for u in decoded),
        units=recognizer.trained.directory.resolve() / UNITS,
        seconds_per_frame=recognizer.trained.seconds_per_frame,
    )
    _write_results(out, utterances, hypotheses)
    return DecodingSummary(
        len(decoded), failed, sum(u.duration for u in decoded), model_seconds, search_seconds
    )  # fmt: skip


def _log_probs(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    store: FeatureStore | None,
    batch_size: int,
    failed: list[str],
) -> Iterator[tuple[str, np.ndarray]]:
    """(id, (T', V)) in order of length; ids of unreadable utterances go into `failed`."""
    longest = max(utterance.duration for utterance in utterances)
    batching = BatchingConfig(seconds=max(160.0, longest), utterances=batch_size)
    by_id = {utterance.id: utterance for utterance in utterances}
    plan = plan_in_order([Item(u.id, u.duration) for u in utterances], batching)
    for names in track(plan, "acoustic model"):
        batch = [by_id[name] for name in names]
        if store is not None:
            yield from zip(names, _from_store(recognizer, batch, store), strict=True)
            continue
        waves = {}
        for utterance in batch:
            try:
                waves[utterance.id] = read_audio(
                    utterance.audio,
                    sample_rate=recognizer.sample_rate,
                    start=utterance.start,
                    duration=utterance.duration,
                    channel=utterance.channel,
                )
            except AsrError as error:
                LOGGER.error("utterance %s: %s", utterance.id, error)
                failed.append(utterance.id)
        yield from zip(waves, recognizer.log_probs(list(waves.values())), strict=True)


def _from_store(recognizer: Recognizer, batch: Sequence[Utterance], store: FeatureStore) -> list[np.ndarray]:
    missing = [utterance.id for utterance in batch if utterance.id not in store]
    if missing:
        raise FeatureError(missing[0], "is not in the feature store", "run 'asr features' on this manifest")
    matrices = [torch.from_numpy(np.array(store[utterance.id], dtype=np.float32)) for utterance in batch]
    frames = torch.tensor([len(matrix) for matrix in matrices])
    padded = torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True)
    return recognizer.log_probs_of_features(padded, frames, [utterance.speaker for utterance in batch])


def _write_results(out: Path, utterances: Sequence[Utterance], hypotheses: dict[str, Hypothesis]) -> None:
    with atomic_write(out / "ref.trn") as stream:
        stream.writelines(f"{utterance.text} ({utterance.id})\n" for utterance in utterances)
    with atomic_write(out / "hyp.trn") as stream:
        stream.writelines(f"{hypothesis.text} ({name})\n" for name, hypothesis in hypotheses.items())
    with atomic_write(out / "hyp.ctm") as stream:
        for utterance in utterances:
            if utterance.id in hypotheses:
                stream.writelines(_ctm_lines(utterance, hypotheses[utterance.id]))


def _ctm_lines(utterance: Utterance, hypothesis: Hypothesis) -> Iterator[str]:
    """`recording channel start duration word confidence`, times in the recording, channels counted from 1."""
    recording, channel = Path(utterance.audio).stem, (utterance.channel or 0) + 1
    for word in hypothesis.words:
        start, duration = utterance.start + word.start, word.end - word.start
        yield f"{recording} {channel} {start:.3f} {duration:.3f} {word.text} {word.confidence:.4f}\n"
