"""Decode the utterances of a manifest into a folder that the scorer reads.

The folder gets `ref.trn`, `hyp.trn`, `ref.stm`, `hyp.ctm`, `log_probs.npz` (for tuning and comparing decoders without
the model) and, where several readings are asked for, `nbest.jsonl`; each is written whole or not at all.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.corpus.manifest import load_distinct
from asr.corpus.utterance import Utterance
from asr.decoding.knowledge.vocabulary import check_references
from asr.decoding.parallel import Outcome, decode_all
from asr.decoding.paths.log_probs import LogProbs, write_log_probs
from asr.decoding.results.hypothesis import Hypothesis
from asr.decoding.tuning.nbest_files import write_nbest
from asr.errors import AsrError
from asr.features.store import FeatureStore
from asr.files import atomic_write
from asr.model.files import UNITS
from asr.progress import track
from asr.pronunciation.lexicon import Lexicon
from asr.scoring.reading.trn import trn_line
from asr.transcribing.log_probs import utterance_log_probs
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.timed_files import ctm_lines, recording_names, stm_line

LOGGER = logging.getLogger("asr")


@dataclass(frozen=True)
class DecodingSummary:
    """What was decoded, and how fast.

    Attributes:
        utterances: decoded.
        failed: ids that could not be read or decoded; they have no hypothesis and will be scored as deletions.
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
    processes: int = 1,
) -> DecodingSummary:
    """Decode every utterance of a manifest.

    Args:
        recognizer: model and decoder.
        manifest: JSONL manifest.
        out: folder to write.
        features: store with the manifest's features; None computes them from the audio.
        batch_size: utterances that go through the model together; does not change the text.
        processes: that run a beam search at the same time, with one memory-mapped copy of the language model; does
            not change the text either. Greedy decoding, quicker than starting a process, stays in this one.

    Raises:
        FeatureError: the store lacks an utterance.
    """
    out = Path(out)
    utterances = load_distinct(manifest)
    if recognizer.recipe is not None and recognizer.recipe.lexicon is not None:
        check_references((utterance.text for utterance in utterances), Lexicon.from_file(recognizer.recipe.lexicon))
    store = FeatureStore.open(features, recognizer.trained.config.features) if features is not None else None
    failed: list[str] = []
    started = time.monotonic()
    write_log_probs(
        out / "log_probs.npz",
        utterance_log_probs(recognizer, utterances, store, batch_size, failed),
        units=recognizer.trained.directory.resolve() / UNITS,
        seconds_per_frame=recognizer.trained.seconds_per_frame,
    )
    model_seconds = time.monotonic() - started
    started = time.monotonic()
    cache = LogProbs([utterance.id for utterance in utterances], out / "log_probs.npz")
    readings = dict(_search(recognizer, cache, processes, failed))
    hypotheses = {name: nbest[0] for name, nbest in readings.items()}
    search_seconds = time.monotonic() - started
    recognizer.report_phrases([hypothesis.text for hypothesis in hypotheses.values()])
    _write_results(out, utterances, hypotheses)
    if any(len(nbest) > 1 for nbest in readings.values()):
        write_nbest(out / "nbest.jsonl", readings.items())
    else:
        (out / "nbest.jsonl").unlink(missing_ok=True)  # of an earlier run, which this one replaces
    seconds = sum(utterance.duration for utterance in utterances if utterance.id in cache.ids)
    return DecodingSummary(len(readings), failed, seconds, model_seconds, search_seconds)


def _search(
    recognizer: Recognizer,
    utterances: LogProbs,
    processes: int,
    failed: list[str],
) -> Iterator[tuple[str, list[Hypothesis]]]:
    """Readings of utterances in their order; those that cannot be decoded are named, and their ids go to `failed`."""
    for name, outcome in track(_outcomes(recognizer, utterances, processes), "decoding", len(utterances)):
        if isinstance(outcome, AsrError):
            LOGGER.error("utterance %s", outcome)
            failed.append(name)
        else:
            yield name, outcome


def _outcomes(recognizer: Recognizer, utterances: LogProbs, processes: int) -> Iterator[tuple[str, Outcome]]:
    if processes <= 1 or recognizer.recipe is None:
        yield from decode_all(lambda: recognizer.decoder, utterances)
        return
    from asr.decoding.from_files import shared

    with shared(recognizer.recipe) as recipe:
        yield from decode_all(recipe, utterances, min(processes, len(utterances)), recognizer.decoder)


def _write_results(out: Path, utterances: Sequence[Utterance], hypotheses: dict[str, Hypothesis]) -> None:
    recordings = recording_names(utterances)
    with atomic_write(out / "ref.trn") as stream:
        stream.writelines(trn_line(utterance.id, utterance.text) for utterance in utterances)
    with atomic_write(out / "hyp.trn") as stream:
        stream.writelines(trn_line(name, hypothesis.text) for name, hypothesis in hypotheses.items())
    with atomic_write(out / "ref.stm") as stream:
        stream.writelines(stm_line(utterance, recordings[utterance.audio]) for utterance in utterances)
    with atomic_write(out / "hyp.ctm") as stream:
        for utterance in utterances:
            if utterance.id in hypotheses:
                stream.writelines(ctm_lines(utterance, hypotheses[utterance.id].words, recordings[utterance.audio]))
