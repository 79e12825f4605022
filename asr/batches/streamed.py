"""Training examples from tar shards: read forward, batched within windows of bounded size, never held as a whole.

A drop-in for `Examples` in training: `plan` and `batches` are what the trainer calls. Order and windows are those of
`StreamPlan`; what an example sounds like depends on (seed, epoch, utterance id) alone, as for stored features.

Shapes: B utterances, T frames, F mel bins.
"""

from __future__ import annotations

import heapq
from array import array
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from asr.batches.audio import one_thread
from asr.batches.examples import Batch, SetFacts, load_in_processes, mask
from asr.batches.plan import SHARDS_ORDER, EpochPlan
from asr.batches.rows import spell
from asr.batches.statistics import OF_A_SET
from asr.batches.stream_checks import check_stream
from asr.batches.stream_plan import PlannedBatch, PlannedBatches, StreamPlan, Window, speeds_of_set
from asr.config.experiment import ExperimentConfig
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, CorpusError, FeatureError
from asr.features.augmentation.perturbation import perturb_speed
from asr.features.augmentation.waves import WaveAugmenter
from asr.features.computing import speed_id
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import GLOBAL, SPEAKERS, CmvnStatistics, Normaliser
from asr.packed import id_hash
from asr.progress import track
from asr.shards.index import ShardIndex
from asr.shards.samples import (
    features_suffix,
    read_spans,
    suffix_speed,
    unpack_fields,
    unpack_matrix,
    unpack_wave,
    utterance_with,
)
from asr.shards.tar import unpack
from asr.units import Units


@dataclass(frozen=True)
class Sample:
    """One utterance as it was read: fields, files by suffix, the speed at which it is heard, and its labels."""

    utterance: Utterance
    files: dict[str, bytes]
    speed: float
    target: list[int]


@dataclass(frozen=True)
class LoadedWaves:
    """Waves (B, N) and their samples (B,), with what the batch made of them will need."""

    ids: list[str]
    speakers: list[str]
    padded: Tensor
    lengths: Tensor
    targets: list[list[int]]

    def pin_memory(self) -> LoadedWaves:
        """The same in page-locked memory; a DataLoader asks for it."""
        return replace(self, padded=self.padded.pin_memory())


class StreamExamples:
    """The utterances of a set of shards.

    Args:
        index: of the shards.
        normaliser: applied to every utterance before augmentation.
        units: spell the targets.
        config: the experiment.
        device: where features of audio are computed: on a GPU by the training process, for a whole batch; on the CPU
            by those that load.

    Attributes:
        order: in which an epoch's batches come.

    Raises:
        AsrError: as `check_stream`.
    """

    order = SHARDS_ORDER

    def __init__(
        self,
        index: ShardIndex,
        normaliser: Normaliser,
        units: Units,
        config: ExperimentConfig,
        device: torch.device | None = None,
    ) -> None:
        check_stream(index, units, config)
        self.index, self.normaliser, self.units, self.config = index, normaliser, units, config
        self.device = device or torch.device("cpu")
        self.late = index.entry.payload != "npy" and self.device.type != "cpu"
        self.augmenter = WaveAugmenter(config.augmentation, config.features.sample_rate, config.seed)
        self.extractor = FeatureExtractor(config.features).to(self.device)
        self._plan: StreamPlan | None = None

    def facts(self) -> SetFacts:
        """How much there is, for the log and the model card."""
        entry = self.index.entry
        return SetFacts(entry.utterances, entry.seconds, entry.speakers, entry.synthetic)

    def identity(self) -> str:
        """Changes with anything about the shards."""
        return self.index.identity

    def input_identity(self) -> str:
        """The index knows the digest of every shard."""
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
        # Processes take turns, so that each keeps to its own lanes.
        as_floats = array("f", loads.tobytes())
        return EpochPlan(
            PlannedBatches(plan), plan.totals.seconds, padding, as_floats, int(loads.argmax()), in_turns=True
        )

    def batch(self, planned: PlannedBatch, epoch: int) -> Batch:
        """One batch of an epoch's plan."""
        return self.finish(next(self.read(np.array([planned.number]), epoch)), epoch)

    def batches(self, plan: Sequence[PlannedBatch], epoch: int) -> Iterator[Batch]:
        """The batches of a part of an epoch's plan in order, loaded here or by `training.workers` processes.

        Only what is in the part is read and decoded; what was before it is passed over by the index.
        """
        numbers = plan.numbers if isinstance(plan, PlannedBatches) else [batch.number for batch in plan]
        wanted = np.array(numbers, dtype=np.int64)
        self._plan_of(epoch)
        if self.config.training.workers == 0:
            for loaded in self.read(wanted, epoch):
                yield self.finish(loaded, epoch)
            return
        for fetched in load_in_processes(_Stream(self, wanted, epoch), self.config.training.workers):
            yield self.finish(fetched, epoch)

    def read(self, numbers: np.ndarray, epoch: int) -> Iterator[Batch | LoadedWaves]:
        """The batches of some ascending numbers; in memory is a window of each lane that holds any of them.

        Waves whose features are left to the training process come as they are; `finish` does the rest.
        """
        plan = self._plan_of(epoch)
        lanes = [self._lane(plan, lane, numbers) for lane in range(plan.lanes)]
        for _, window, positions, held in heapq.merge(*lanes, key=lambda batch: batch[0]):
            samples = [
                self._sample(window, position, files) for position, files in zip(positions.tolist(), held, strict=True)
            ]
            if self.index.entry.payload == "npy":
                yield self._stored(samples, epoch)
            else:
                loaded = self._waves(samples, epoch)
                yield loaded if self.late else self.finish(loaded, epoch)

    def _lane(
        self, plan: StreamPlan, lane: int, numbers: np.ndarray
    ) -> Iterator[tuple[int, Window, np.ndarray, list[dict[str, bytes]]]]:
        """Number, window, positions in it and files of each wanted batch of a lane; a window is read at its first."""
        for window in plan.windows(lane):
            ours = plan.numbers(lane, window.first, len(window.batches))
            after = np.searchsorted(numbers, ours)
            wanted = np.flatnonzero(numbers.take(after, mode="clip") == ours) if len(numbers) else after[:0]
            if not len(wanted):
                continue
            held = self._files(window, np.sort(np.concatenate([window.batches[number] for number in wanted])))
            for number in wanted:
                positions = window.batches[number]
                yield int(ours[number]), window, positions, [held.pop(int(position)) for position in positions]

    def _files(self, window: Window, positions: np.ndarray) -> dict[int, dict[str, bytes]]:
        """Files of some positions of a window, shard after shard, each read forward; of features the speed heard."""
        held: dict[int, dict[str, bytes]] = {}
        shards = window.shards[positions]
        for group in np.split(positions, np.flatnonzero(np.diff(shards)) + 1):
            read = read_spans(self.index, int(window.shards[group[0]]), window.records[group])
            for position, span in zip(group.tolist(), read, strict=True):
                files = unpack(span, self._place(window, position))
                heard = features_suffix(self._speed(window, position))
                held[position] = {
                    suffix: files[suffix] for suffix in files if suffix == heard or suffix_speed(suffix) is None
                }
        return held

    def _speed(self, window: Window, position: int) -> float:
        return speeds_of_set(self.index, self.config)[int(window.speeds[position])]

    def _place(self, window: Window, position: int) -> str:
        name = self.index.location.name(self.index.entry.shards[int(window.shards[position])].name)
        return f"{name}, byte {int(window.records['offset'][position])}"

    def _sample(self, window: Window, position: int, files: dict[str, bytes]) -> Sample:
        place = self._place(window, position)
        utterance = unpack_fields(files, place)
        if id_hash(utterance.id) != window.records["id"][position]:
            raise CorpusError(place, f"is {utterance.id}, not whom the index names", "run 'asr shard --verify'")
        return Sample(utterance, files, self._speed(window, position), spell(utterance, self.units, strict=True) or [])

    def _stored(self, samples: Sequence[Sample], epoch: int) -> Batch:
        """A batch of features that the shards hold."""
        matrices = []
        for sample in samples:
            suffix = features_suffix(sample.speed)
            if suffix not in sample.files:
                raise CorpusError(sample.utterance.audio, f"has no .{suffix}", "run 'asr shard --verify'")
            matrix = torch.from_numpy(unpack_matrix(sample.files[suffix], f"{sample.utterance.audio}.{suffix}"))
            matrices.append(self.normaliser(matrix, speed_id(sample.utterance.speaker, sample.speed)))
        lengths = torch.tensor([len(matrix) for matrix in matrices], dtype=torch.long)
        padded = torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True)
        names = [sample.utterance.id for sample in samples]
        return self._masked(names, padded, lengths, [sample.target for sample in samples], epoch)

    def _waves(self, samples: Sequence[Sample], epoch: int) -> LoadedWaves:
        """Waves as an epoch hears them."""
        waves = []
        for sample in samples:
            wave = unpack_wave(sample.files, self.config.features.sample_rate, sample.utterance.audio)
            wave = perturb_speed(wave, sample.speed)
            if epoch >= self.config.augmentation.first_epoch:
                wave = self.augmenter(wave, sample.utterance.id, epoch)
            waves.append(torch.from_numpy(np.ascontiguousarray(wave)))
        return LoadedWaves(
            [sample.utterance.id for sample in samples],
            [sample.utterance.speaker for sample in samples],
            torch.nn.utils.rnn.pad_sequence(waves, batch_first=True),
            torch.tensor([len(wave) for wave in waves], dtype=torch.long),
            [sample.target for sample in samples],
        )

    def finish(self, loaded: Batch | LoadedWaves, epoch: int) -> Batch:
        """The batch of what was loaded: features computed on the device, normalised and masked."""
        if isinstance(loaded, Batch):
            return loaded
        with one_thread() if not self.late else nullcontext():
            features, frames = self.extractor(loaded.padded.to(self.device, non_blocking=True), loaded.lengths)
            features = self.normaliser.batch(features, frames, loaded.speakers)
        return self._masked(loaded.ids, features, frames, loaded.targets, epoch)

    def _masked(self, ids: list[str], features: Tensor, lengths: Tensor, targets: list[list[int]], epoch: int) -> Batch:
        frames: list[int] = lengths.tolist()
        if epoch >= self.config.augmentation.first_epoch:
            mask(features, frames, ids, self.config, epoch)
        return Batch(ids, features, lengths, targets, sum(frames) * self.config.features.frame_shift_ms / 1000)

    def _plan_of(self, epoch: int) -> StreamPlan:
        if self._plan is None or self._plan.epoch != epoch:
            self._plan = StreamPlan(self.index, self.config, epoch)
        return self._plan


class _Stream(IterableDataset[Batch | LoadedWaves | AsrError]):
    """Lets a DataLoader's processes read batches by turns: worker w of W takes every W-th from the w-th on.

    An error is handed over as a value: a DataLoader would raise it again as a RuntimeError that holds a traceback.
    """

    def __init__(self, examples: StreamExamples, numbers: np.ndarray, epoch: int) -> None:
        self.examples, self.numbers, self.epoch = examples, numbers, epoch

    def __iter__(self) -> Iterator[Batch | LoadedWaves | AsrError]:
        info = get_worker_info()
        first, step = (info.id, info.num_workers) if info is not None else (0, 1)
        try:
            yield from self.examples.read(self.numbers[first::step], self.epoch)
        except AsrError as error:
            yield error


def open_stream(
    address: str | Path, units: Units, config: ExperimentConfig, device: torch.device | None = None
) -> StreamExamples:
    """Training examples of a folder or URL of shards, with the normaliser that belongs to them.

    Statistics are those beside the shards; where audio has none, "global" measures OF_A_SET utterances spread evenly.

    Raises:
        CorpusError: no index, or an unreadable one.
        FeatureError: statistics are missing or broken.
        AsrError: as `check_stream`.
    """
    index = ShardIndex.open(address)
    kind = config.features.normalisation
    folder = index.location.copies((GLOBAL, SPEAKERS) if kind in ("global", "speaker") else ())
    if kind == "global" and index.entry.payload != "npy" and not (folder / GLOBAL).exists():
        return StreamExamples(index, _measured(index, config), units, config, device)
    if kind == "speaker" and not (folder / SPEAKERS).exists():
        reason = "needs statistics of speakers, and there are none beside the shards"
        raise FeatureError("features.normalisation=speaker", reason, "use utterance or global")
    return StreamExamples(index, Normaliser.of_directory(folder, config.features), units, config, device)


def _measured(index: ShardIndex, config: ExperimentConfig) -> Normaliser:
    """Global normalisation by the clean audio of utterances spread evenly over the shards."""
    statistics, step = CmvnStatistics.empty(config.features.dimension), -(-len(index) // OF_A_SET)
    extractor = FeatureExtractor(config.features)
    shards = range(len(index.entry.shards))
    for shard in track(shards, "statistics"):
        for span in read_spans(index, shard, index.members(shard)[::step]):
            place = index.location.name(index.entry.shards[shard].name)
            wave = unpack_wave(unpack(span, place), config.features.sample_rate, place)
            statistics += CmvnStatistics.of(extractor.single(torch.from_numpy(wave)).numpy())
    return Normaliser("global", statistics)
