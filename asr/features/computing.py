"""Features of a whole manifest into a store, by any number of processes, byte for byte the same.

Shapes: N samples, T frames, F features.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from asr.config.sections import FeatureConfig
from asr.corpus.manifest import load_manifest
from asr.corpus.recording import read_utterance
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, FeatureError, UsageError
from asr.features.augmentation.perturbation import perturb_speed
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import GLOBAL, SPEAKERS, CmvnStatistics, save_statistics
from asr.features.store import FeatureStoreWriter, read_marker
from asr.processes import ordered_map
from asr.progress import track

log = logging.getLogger("asr")

LOWEST_SPEED, HIGHEST_SPEED = 0.25, 4.0
COMPUTATION = 2  # to be raised when the same manifest and settings give other features than before


@dataclass(frozen=True)
class FeatureSummary:
    """What `compute_features` did.

    Attributes:
        utterances: number of matrices in the store, copies at other speeds included.
        frames: rows in the store.
        hours: of audio that the frames cover.
        skipped: one "id: reason" for each unreadable utterance; empty unless they were to be skipped.
        up_to_date: the store was whole already and nothing was computed.
    """

    utterances: int
    frames: int
    hours: float
    skipped: list[str] = field(default_factory=list)
    up_to_date: bool = False


@dataclass(frozen=True)
class _Computed:
    """One utterance at every speed, or why there is none; crosses from worker to writer."""

    utterance: Utterance
    matrices: list[np.ndarray]
    error: AsrError | None = None


def speed_id(id: str, speed: float) -> str:
    """Id of an utterance (or a speaker) played at another speed, as Kaldi names it: `sp0.9-utt1`; plain at speed 1."""
    return id if speed == 1.0 else f"sp{speed:g}-{id}"


def compute_features(
    manifest_path: str | Path,
    out_dir: str | Path,
    config: FeatureConfig,
    *,
    speeds: Sequence[float] = (1.0,),
    jobs: int = 1,
    force: bool = False,
    skip_bad: bool = False,
) -> FeatureSummary:
    """Compute the raw features of every utterance at every speed and store them with their statistics.

    Beside the store lie `global.npz` (statistics over everything) and `speakers.npz` (by speaker; a speaker at another
    speed is another speaker, `speed_id(speaker, speed)`). A whole store of the same manifest, configuration and
    speeds is left as it is; the audio files themselves are not looked at for that.

    Args:
        manifest_path: JSONL manifest.
        out_dir: folder of the store.
        config: feature configuration; `normalisation` has no effect on what is stored.
        speeds: factors of playing speed.
        jobs: processes; the result is the same for any number.
        force: compute even when the store is up to date.
        skip_bad: leave out unreadable utterances and list them, instead of stopping at the first.

    Raises:
        UsageError: a speed or number of jobs out of range, or a speed named twice.
        AsrError: an utterance is unreadable (it is named) and `skip_bad` is off.
        FeatureError: a worker died, or every utterance was unreadable.
    """
    _check_options(speeds, jobs)
    out_dir = Path(out_dir)
    utterances = load_manifest(manifest_path)
    fingerprint = _fingerprint(utterances, config, speeds)
    if not force and (known := _up_to_date(out_dir, fingerprint, skip_bad)):
        return known
    worker = _Worker(config, tuple(speeds))
    tasks = track(ordered_map(worker, utterances, jobs), "features", total=len(utterances))
    with FeatureStoreWriter(out_dir, config.dimension, config.store_dtype, config) as writer:
        summary = _write(writer, tasks, config, speeds, skip_bad)
        writer.notes = {"fingerprint": fingerprint, "speeds": list(speeds), "summary": asdict(summary)}
    return summary


class _Worker:
    """Computes one utterance; the extractor is built once in each process."""

    def __init__(self, config: FeatureConfig, speeds: tuple[float, ...]) -> None:
        self.config = config
        self.speeds = speeds
        self._extractor: FeatureExtractor | None = None

    def __call__(self, utterance: Utterance) -> _Computed:
        if self._extractor is None:
            self._extractor = FeatureExtractor(self.config)
        try:
            wave = read_utterance(utterance, self.config.sample_rate)
        except AsrError as error:
            return _Computed(utterance, [], error)
        waves = [torch.from_numpy(np.ascontiguousarray(perturb_speed(wave, speed))) for speed in self.speeds]
        matrices = [self._extractor.single(each).numpy().astype(self.config.store_dtype) for each in waves]
        return _Computed(utterance, matrices)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_extractor": None}


def _write(
    writer: FeatureStoreWriter,
    results: Iterable[_Computed],
    config: FeatureConfig,
    speeds: Sequence[float],
    skip_bad: bool,
) -> FeatureSummary:
    """Append every result in order and write the statistics of what was stored."""
    overall = CmvnStatistics.empty(config.dimension)
    speakers: dict[str, CmvnStatistics] = {}
    skipped: list[str] = []
    count = 0
    for result in results:
        if result.error is not None:
            if not skip_bad:
                raise result.error
            log.warning("skipped: %s", result.error)
            skipped.append(f"{result.utterance.id}: {result.error.reason}")
        for speed, matrix in zip(speeds, result.matrices, strict=False):  # none where there is an error
            id, speaker = speed_id(result.utterance.id, speed), speed_id(result.utterance.speaker, speed)
            if len(matrix) == 0:
                log.warning("%s is shorter than one window of %g ms: no frames", id, config.frame_length_ms)
            writer.append(id, matrix)
            statistics = CmvnStatistics.of(matrix)
            overall += statistics
            count += 1
            if result.utterance.speaker:
                speakers[speaker] = speakers[speaker] + statistics if speaker in speakers else statistics
    if count == 0:
        raise FeatureError(writer.directory, "no utterance could be read", "correct the audio paths of the manifest")
    save_statistics(speakers, writer.directory / SPEAKERS)
    overall.save(writer.directory / GLOBAL)
    hours = overall.count * config.frame_shift_ms / 3.6e6
    return FeatureSummary(count, overall.count, round(hours, 4), skipped)


def _check_options(speeds: Sequence[float], jobs: int) -> None:
    if jobs < 1:
        raise UsageError("--nj", f"{jobs} is no number of processes", "give 1 or more")
    if not speeds or len({speed_id("", speed) for speed in speeds}) < len(speeds):
        raise UsageError("--speeds", "is empty or names a speed twice", "write for example --speeds 0.9,1.0,1.1")
    for speed in speeds:
        if not LOWEST_SPEED <= speed <= HIGHEST_SPEED:
            reason = f"{speed:g} lies outside {LOWEST_SPEED} to {HIGHEST_SPEED}"
            raise UsageError("--speeds", reason, "write for example --speeds 0.9,1.0,1.1")


def _fingerprint(utterances: Sequence[Utterance], config: FeatureConfig, speeds: Sequence[float]) -> str:
    """SHA-256 of everything that the stored bytes follow from, the audio itself excepted."""
    digest = hashlib.sha256()
    digest.update(json.dumps([COMPUTATION, config.computation(), list(speeds)]).encode())
    for utterance in utterances:
        span = [utterance.audio, utterance.start, utterance.duration, utterance.channel]
        digest.update(json.dumps([utterance.id, utterance.speaker, *span]).encode())
    return digest.hexdigest()


def _up_to_date(directory: Path, fingerprint: str, skip_bad: bool) -> FeatureSummary | None:
    """Summary of the store that is there, if whole and made from the same; one with gaps only if gaps are allowed."""
    marker = read_marker(directory)
    if marker is None or marker["notes"].get("fingerprint") != fingerprint:
        return None
    summary = FeatureSummary(**{**marker["notes"]["summary"], "up_to_date": True})
    return summary if skip_bad or not summary.skipped else None


def speeds_of(text: str) -> Iterator[float]:
    """Read "0.9,1.0 1.1": numbers separated by commas or spaces.

    Raises:
        UsageError: something is not a number.
    """
    for word in text.replace(",", " ").split():
        try:
            yield float(word)
        except ValueError:
            raise UsageError("--speeds", f"'{word}' is not a number", "write for example 0.9,1.0,1.1") from None
