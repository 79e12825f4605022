"""When each word of a known text was said: forced alignment of a manifest."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from asr.batches.rows import PHONES
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.decoding.paths.alignment import Alignment, align_text
from asr.errors import AsrError, UsageError
from asr.features.store import FeatureStore
from asr.files import atomic_write
from asr.transcribing.log_probs import utterance_log_probs
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.timed_files import ctm_lines
from asr.units import Units

LOGGER = logging.getLogger("asr")


@dataclass(frozen=True)
class AligningSummary:
    """How many utterances were aligned, which could not be, and the mean log-probability of a text's unit."""

    aligned: int
    failed: list[str]
    score_per_unit: float


def align_set(
    recognizer: Recognizer,
    manifest: str | Path,
    out: str | Path,
    *,
    features: Path | None = None,
    batch_size: int = 16,
    phones: Path | None = None,
) -> AligningSummary:
    """Align every utterance's text with its audio.

    Args:
        recognizer: the model.
        manifest: JSONL manifest with texts.
        out: CTM file to write: recording, channel, start, duration, word, confidence.
        features: store with the manifest's features; None computes them from the audio.
        batch_size: utterances that go through the model together.
        phones: manifest to write, with the pronunciation that was said in each utterance, to train on; of phones only.

    Returns:
        What was aligned; an utterance fails when it is unreadable, its text is outside the units, or too long for it.

    Raises:
        UsageError: pronunciations are asked for of a model that has none.
    """
    if phones is not None and recognizer.trained.units.kind != "phones":
        raise UsageError("--phones", "is for models of phones", "leave it out")
    utterances = load_manifest(manifest)
    store = FeatureStore.open(features, recognizer.trained.config.features) if features is not None else None
    by_id = {utterance.id: utterance for utterance in utterances}
    failed: list[str] = []
    alignments: dict[str, Alignment] = {}
    trained = recognizer.trained
    for name, log_probs in utterance_log_probs(recognizer, utterances, store, batch_size, failed):
        try:
            alignments[name] = align_text(
                log_probs, by_id[name].text, trained.units, trained.seconds_per_frame, subject=name
            )
        except AsrError as error:
            LOGGER.error("utterance %s: %s", name, error)
            failed.append(name)
    with atomic_write(out) as stream:
        stream.writelines(_lines(utterances, alignments))
    if phones is not None:
        write_manifest(phones, (_pronounced(u, alignments.get(u.id), trained.units) for u in utterances))
    units = sum(len(alignment.spans) for alignment in alignments.values())
    score = sum(alignment.text_score for alignment in alignments.values())
    return AligningSummary(len(alignments), failed, score / max(units, 1))


def _pronounced(utterance: Utterance, alignment: Alignment | None, units: Units) -> Utterance:
    """The utterance with what was said in it; one that could not be aligned keeps what it had."""
    if alignment is None:
        return utterance
    said = units.decode(span.unit for span in alignment.spans)
    return replace(utterance, extra={**utterance.extra, PHONES: said})


def _lines(utterances: list[Utterance], alignments: dict[str, Alignment]) -> Iterator[str]:
    for utterance in utterances:
        if utterance.id in alignments:
            yield from ctm_lines(utterance, alignments[utterance.id].words)
