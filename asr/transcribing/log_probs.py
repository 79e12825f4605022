"""Log-probabilities of a manifest's utterances, from stored features or from the audio.

Shapes: T feature frames, F features, T' output frames, V units.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from asr.audio.reading import read_audio
from asr.batches.plan import Item, plan_in_order
from asr.config.sections import BatchingConfig
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, FeatureError
from asr.features.store import FeatureStore
from asr.progress import track
from asr.transcribing.recognizer import Recognizer

LOGGER = logging.getLogger("asr")
BATCH_SECONDS = 160.0


def utterance_log_probs(
    recognizer: Recognizer,
    utterances: Sequence[Utterance],
    store: FeatureStore | None,
    batch_size: int,
    failed: list[str],
) -> Iterator[tuple[str, np.ndarray]]:
    """Run the acoustic model over a set.

    Args:
        recognizer: the model.
        utterances: the set, at least one.
        store: their features; None computes them from the audio.
        batch_size: utterances that go through the model together; does not change the result beyond 1e-5.
        failed: ids of unreadable utterances are appended here.

    Yields:
        (id, (T', V) float32) in order of length.

    Raises:
        FeatureError: the store lacks an utterance.
    """
    longest = max(utterance.duration for utterance in utterances)
    batching = BatchingConfig(seconds=max(BATCH_SECONDS, longest), utterances=batch_size)
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
    matrices = [np.array(store[utterance.id], dtype=np.float32) for utterance in batch]
    return recognizer.log_probs_of_features(matrices, [utterance.speaker for utterance in batch])
