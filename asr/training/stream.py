"""Training examples from tar shards: read forward, batched within windows of bounded size, never held as a whole.

A drop-in for `Examples` in training: `plan` and `batches` are what the trainer calls. Order and windows are those of
`StreamPlan`; what an example sounds like depends on (seed, epoch, utterance id) alone, as for stored features.

Shapes: B utterances, T frames, F mel bins.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from asr.config import ExperimentConfig
from asr.corpus.shard_index import ShardIndex, id_hash
from asr.corpus.shard_samples import (
    features_suffix,
    read_spans,
    unpack_fields,
    unpack_matrix,
    unpack_wave,
    utterance_at,
    utterance_with,
)
from asr.corpus.shards import unpack
from asr.errors import AsrError, ConfigError, CorpusError, FeatureError, TrainingError, UnitsError
from asr.features.computing import speed_id
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import Normaliser
from asr.features.perturbation import perturb_speed
from asr.features.wave_augmentation import WaveAugmenter
from asr.model.ctc import check_feasible
from asr.training.examples import Batch, EpochPlan, SetFacts, mask, spell
from asr.training.stream_plan import PlannedBatch, PlannedBatches, StreamPlan, Window, speeds_of_set
from asr.units import Units

SHOWN = 10  # offending utterances that are read to name them


class StreamExamples:
    """The utterances of a set of shards.

    Args:
        index: of the shards.
        normaliser: applied to every utterance before augmentation.
        units: spell the targets.
        config: the experiment.

    Raises:
        FeatureError: a speed is not stored, or features were computed with other settings.
        UnitsError: a text has characters outside the units.
        TrainingError: an utterance is longer than a batch, or its text cannot fit its frames.
    """

    def __init__(self, index: ShardIndex, normaliser: Normaliser, units: Units, config: ExperimentConfig) -> None:
        self.index, self.normaliser, self.units, self.config = index, normaliser, units, config
        self._plan: StreamPlan | None = None
        self._extractor: FeatureExtractor | None = None
        _check_augmentation(index, config)
        _check_features(index, config)
        _check_lengths(index, config)
        _check_texts(index, units, config)
        self._augmenter = WaveAugmenter(config.augmentation, config.features.sample_rate, config.seed)

    def facts(self) -> SetFacts:
        """How much there is, for the log and the model card."""
        entry = self.index.entry
        return SetFacts(entry.utterances, entry.seconds, entry.speakers, entry.synthetic)

    def identity(self) -> str:
        """Changes with anything about the shards."""
        return self.index.identity

    def shared_with(self, ids: Iterable[str]) -> list[str]:
        """Those of some ids that are in this set too, sorted."""
        hashes = {id_hash(name): name for name in ids}
        present: set[int] = set()
        wanted = np.array(sorted(hashes), dtype=np.uint64)
        for block in self.index.blocks():
            present |= set(block["id"][np.isin(block["id"], wanted)].tolist())
        read = {utterance.id for _, utterance in utterance_with(self.index, present)} if present else set()
        return sorted(read & set(hashes.values()))

    def plan(self, epoch: int) -> EpochPlan:
        """What this epoch trains on, and in which order; a pure function of index, configuration and `epoch`."""
        plan = self._plan_of(epoch)
        loads = plan.totals.loads
        padding = max(0.0, 1 - plan.totals.seconds / float(loads.sum(dtype=np.float64)))
        # Without loads processes take turns, so that each keeps to its own lanes.
        return EpochPlan(PlannedBatches(plan), plan.totals.seconds, padding, longest=int(loads.argmax()))

    def batch(self, planned: PlannedBatch, epoch: int) -> Batch:
        """One batch of an epoch's plan."""
        return next(self.read(np.array([planned.number]), epoch))

    def batches(self, plan: Sequence[PlannedBatch], epoch: int) -> Iterator[Batch]:
        """The batches of a part of an epoch's plan in order, loaded here or by `training.workers` processes.

        Only what is in the part is read and decoded; what was before it is passed over by the index.
        """
        numbers = plan.numbers if isinstance(plan, PlannedBatches) else [batch.number for batch in plan]
        wanted = np.array(numbers, dtype=np.int64)
        self._plan_of(epoch)
        if self.config.training.workers == 0:
            yield from self.read(wanted, epoch)
            return
        loader = DataLoader(
            _Stream(self, wanted, epoch),
            batch_size=None,
            num_workers=self.config.training.workers,
            prefetch_factor=4,
            pin_memory=torch.cuda.is_available(),
        )
        for fetched in loader:
            if isinstance(fetched, AsrError):
                raise fetched
            yield fetched

    def read(self, numbers: np.ndarray, epoch: int) -> Iterator[Batch]:
        """The batches of some ascending numbers; in memory is a window of each lane that holds any of them."""
        plan = self._plan_of(epoch)
        lanes = [self._lane(plan, lane, numbers) for lane in range(plan.lanes)]
        for _, window, positions, spans in heapq.merge(*lanes, key=lambda batch: batch[0]):
            yield self._batch(window, positions, spans, epoch)

    def _lane(
        self, plan: StreamPlan, lane: int, numbers: np.ndarray
    ) -> Iterator[tuple[int, Window, np.ndarray, list[bytes]]]:
        """Number, window, positions in it and spans of each wanted batch of a lane; a window is read at its first."""
        for window in plan.windows(lane):
            ours = plan.numbers(lane, window.first, len(window.batches))
            after = np.searchsorted(numbers, ours)
            wanted = np.flatnonzero(numbers.take(after, mode="clip") == ours) if len(numbers) else after[:0]
            if not len(wanted):
                continue
            spans = self._spans(window, np.sort(np.concatenate([window.batches[number] for number in wanted])))
            for number in wanted:
                positions = window.batches[number]
                yield int(ours[number]), window, positions, [spans.pop(int(position)) for position in positions]

    def _spans(self, window: Window, positions: np.ndarray) -> dict[int, bytes]:
        """Spans of some positions of a window, shard after shard, each read forward."""
        spans: dict[int, bytes] = {}
        shards = window.shards[positions]
        for group in np.split(positions, np.flatnonzero(np.diff(shards)) + 1):
            read = read_spans(self.index, int(window.shards[group[0]]), window.records[group])
            spans.update(zip(group.tolist(), read, strict=True))
        return spans

    def _batch(self, window: Window, positions: np.ndarray, spans: list[bytes], epoch: int) -> Batch:
        speeds = speeds_of_set(self.index, self.config)
        ids, matrices, targets = [], [], []
        for position, span in zip(positions.tolist(), spans, strict=True):
            name = self.index.location.name(self.index.entry.shards[int(window.shards[position])].name)
            place = f"{name}, byte {int(window.records['offset'][position])}"
            files = unpack(span, place)
            utterance = unpack_fields(files, place)
            if id_hash(utterance.id) != window.records["id"][position]:
                raise CorpusError(place, f"is {utterance.id}, not whom the index names", "run 'asr shard --verify'")
            speed = speeds[int(window.speeds[position])]
            matrix = self._matrix(files, speed, place, utterance.id, epoch)
            features = self.normaliser(matrix, speed_id(utterance.speaker, speed))
            ids.append(utterance.id)
            matrices.append(features)
            targets.append(spell(utterance, self.units, strict=True) or [])
        frames = [len(matrix) for matrix in matrices]
        padded = torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True)
        if epoch >= self.config.augmentation.first_epoch:
            mask(padded, frames, ids, self.config, epoch)
        return Batch(
            ids, padded, torch.tensor(frames), targets, sum(frames) * self.config.features.frame_shift_ms / 1000
        )

    def _matrix(self, files: dict[str, bytes], speed: float, place: str, name: str, epoch: int) -> Tensor:
        """Raw features (T, F) of a sample at a speed: stored, or computed from its audio as the epoch hears it."""
        if self.index.entry.payload == "npy":
            suffix = features_suffix(speed)
            if suffix not in files:
                raise CorpusError(place, f"has no .{suffix}", "run 'asr shard --verify'")
            return torch.from_numpy(unpack_matrix(files[suffix], f"{place}.{suffix}"))
        if self._extractor is None:
            self._extractor = FeatureExtractor(self.config.features)
        wave = perturb_speed(unpack_wave(files, self.config.features.sample_rate, place), speed)
        if epoch >= self.config.augmentation.first_epoch:
            wave = self._augmenter(wave, name, epoch)
        return self._extractor.single(torch.from_numpy(np.ascontiguousarray(wave)))

    def _plan_of(self, epoch: int) -> StreamPlan:
        if self._plan is None or self._plan.epoch != epoch:
            self._plan = StreamPlan(self.index, self.config, epoch)
        return self._plan


class _Stream(IterableDataset[Batch | AsrError]):
    """Lets a DataLoader's processes read batches by turns: worker w of W takes every W-th from the w-th on.

    An error is handed over as a value: a DataLoader would raise it again as a RuntimeError that holds a traceback.
    """

    def __init__(self, examples: StreamExamples, numbers: np.ndarray, epoch: int) -> None:
        self.examples, self.numbers, self.epoch = examples, numbers, epoch

    def __iter__(self) -> Iterator[Batch | AsrError]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info is not None else (0, 1)
        try:
            yield from self.examples.read(self.numbers[first::step], self.epoch)
        except AsrError as error:
            yield error


def open_stream(address: str | Path, units: Units, config: ExperimentConfig) -> StreamExamples:
    """Training examples of a folder or URL of shards, normalised by the statistics beside them.

    Raises:
        CorpusError: no index, or an unreadable one.
        FeatureError: statistics are missing or broken.
        AsrError: as `StreamExamples`.
    """
    index = ShardIndex.open(address)
    kind = config.features.normalisation
    folder = index.location.copies(("global.npz", "speakers.npz") if kind in ("global", "speaker") else ())
    return StreamExamples(index, Normaliser.of_directory(folder, config.features), units, config)


def _check_augmentation(index: ShardIndex, config: ExperimentConfig) -> None:
    settings = config.augmentation
    if settings.speed_range or settings.speed_probability < 1:
        name = "speed_range" if settings.speed_range else "speed_probability"
        raise ConfigError(f"augmentation.{name}", "is not for shards", "list augmentation.speeds")
    if settings.needing_waves and index.entry.payload == "npy":
        reason = f"changes waveforms, and the shards in {index.location.address} hold features"
        raise ConfigError(f"augmentation.{settings.needing_waves[0]}", reason, "write shards of audio")


def _check_features(index: ShardIndex, config: ExperimentConfig) -> None:
    entry = index.entry
    if entry.payload != "npy" or entry.features is None:
        return
    if not config.features.computes_as(entry.features):
        reason = "hold features that were computed with other settings"
        raise FeatureError(index.location.address, reason, "write the shards again from features of this configuration")
    for speed in config.augmentation.speeds:
        if speed not in entry.speeds:
            remedy = f"run 'asr features --speeds' with {speed:g} and write the shards again"
            raise FeatureError(index.location.address, f"do not hold speed {speed:g}", remedy)


def _check_lengths(index: ShardIndex, config: ExperimentConfig) -> None:
    slowest = min([1.0, *config.augmentation.speeds])
    for shard in index.entry.shards:
        longest = shard.longest / slowest
        if longest > config.batching.seconds:
            raise TrainingError(
                index.location.name(shard.name),
                f"holds {longest:.1f} s in one utterance (at speed {slowest:g}), a batch holds "
                f"{config.batching.seconds:g} s",
                "raise batching.seconds, or drop it from the manifest and write the shards again",
            )


def _check_texts(index: ShardIndex, units: Units, config: ExperimentConfig) -> None:
    """Characters and feasibility of all targets, from the index; a text is read only where the index leaves doubt."""
    if units.kind == "characters":
        for shard in index.entry.shards:
            if missing := units.missing(shard.characters):
                listed = " ".join(map(repr, missing))
                remedy = "'asr shard --verify --units' names the utterances"
                raise UnitsError(index.location.name(shard.name), f"has {listed} outside the units", remedy)
    # Pieces of BPE are never more than characters, but for the sign that begins the first word.
    extra = int(units.kind == "bpe")
    plan = StreamPlan(index, config, 0)
    names, frames, targets = [], [], []
    for shard_number in range(len(index.entry.shards)):
        records = index.members(shard_number)
        have = -(-plan.frames(records, 0) // config.model.time_reduction)
        for row in np.flatnonzero(have < records["needed"].astype(np.int64) + extra):
            utterance = utterance_at(index, shard_number, int(row))
            names.append(utterance.id)
            frames.append(int(have[row]))
            targets.append(spell(utterance, units, strict=True) or [])
            if units.kind == "characters" and len(names) == SHOWN:
                break
        if len(names) >= SHOWN:
            check_feasible(names, frames, targets)
            names, frames, targets = [], [], []
    check_feasible(names, frames, targets)
