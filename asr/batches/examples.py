"""Training and validation examples: normalised features, augmented and padded into batches.

Shapes: B utterances of a batch, N of a set; S samples, T frames (longest of the batch); F features.

Everything random about an example depends only on (seed, epoch, utterance id), so neither the order of batches, nor the
number of workers, nor a restart changes what the model sees.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asr.batches.plan import SET_ORDER, EpochPlan, Item, NamedBatches, arrange_epoch
from asr.batches.rows import SetRows, check_feasible
from asr.config.experiment import ExperimentConfig
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, TrainingError
from asr.features.augmentation.spec_augment import spec_augment
from asr.seeding import generator_for, uniform_in
from asr.units import Units


class Source(Protocol):
    """Where the input of a set comes from.

    Attributes:
        late: whether `features` is for the training process, on its device, rather than for those that load.
    """

    late: bool

    def frames(self, name: str, speed: float) -> int:
        """Frames of an utterance at a speed."""

    def load(self, names: Sequence[str], speeds: Sequence[float], epoch: int | None) -> tuple[Tensor, Tensor]:
        """Padded features (B, T, F) or waves (B, S), and lengths (B,); an epoch of None is not augmented."""

    def features(self, names: Sequence[str], loaded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, T, F) and frames (B,) from what was loaded."""

    def identity(self) -> str:
        """Changes, most likely, when the input is another than it was."""


@dataclass(frozen=True)
class Batch:
    """Padded features (B, T, F), lengths (B,) int64, and B ids and targets; `seconds` of real audio in all."""

    ids: list[str]
    features: Tensor
    lengths: Tensor
    targets: list[list[int]]
    seconds: float

    def pin_memory(self) -> Batch:
        """The same in page-locked memory, from where copies to a GPU are fast; a DataLoader asks for it."""
        return replace(self, features=self.features.pin_memory(), lengths=self.lengths.pin_memory())


@dataclass(frozen=True)
class Loaded:
    """What a loading process hands over when the features are left to the training process."""

    ids: list[str]
    padded: Tensor
    lengths: Tensor

    def pin_memory(self) -> Loaded:
        """As `Batch.pin_memory`."""
        return replace(self, padded=self.padded.pin_memory())


@dataclass(frozen=True)
class SetFacts:
    """How much speech a set holds, for the model card; `synthetic` where some of it says so."""

    utterances: int
    seconds: float
    speakers: int
    synthetic: bool


class Examples:
    """The utterances of one set, in the order of their ids.

    Args:
        utterances: the set; gone through once.
        source: its input.
        units: spell the targets.
        config: the experiment.
        training: augment and spell targets; otherwise features are clean and a text outside the units has no target.

    Attributes:
        rows: ids and targets.
        utterances: by id, in their order; empty in training, where the set may be too large for it.
        order: in which an epoch's batches come.

    Raises:
        FeatureError: the source lacks a speed.
        TrainingError: a target cannot fit its frames (training only).
    """

    order = SET_ORDER

    def __init__(
        self,
        utterances: Iterable[Utterance],
        source: Source,
        units: Units,
        config: ExperimentConfig,
        *,
        training: bool,
    ) -> None:
        self.source = source
        self.config = config
        self.training = training
        self.utterances: dict[str, Utterance] = {}
        if not training:
            utterances = list(utterances)
            self.utterances = {utterance.id: utterance for utterance in utterances}
        self.rows = SetRows.of(utterances, units, strict=training)
        self._frames = self._count_frames()
        self._kinds, self._speeds = self._usable_speeds() if training else (np.zeros(0, np.uint8), [])

    @property
    def names(self) -> Sequence[str]:
        """(N,) ids, ascending."""
        return self.rows.names

    def items(self, epoch: int) -> list[Item]:
        """Names and lengths as this epoch will read them."""
        return [Item(*pair) for pair in zip(self.names, self.seconds(epoch).tolist(), strict=True)]

    def seconds(self, epoch: int) -> np.ndarray:
        """(N,) lengths as this epoch will read them, by id."""
        shift = self.config.features.frame_shift_ms / 1000
        if not self._augments(epoch):
            return self._frames[1.0] * shift
        frames = (self._frames_at(row, self._speed(row, epoch)) for row in range(len(self.rows)))
        return np.fromiter(frames, np.int64, len(self.rows)) * shift

    def plan(self, epoch: int) -> EpochPlan:
        """What this epoch trains on, and in which order; a pure function of the set, the configuration and `epoch`."""
        seconds = self.seconds(epoch)
        plan = arrange_epoch(seconds, self.names, self.config.batching, self.config.seed, epoch)
        real, padded = float(seconds.sum()), float(plan.loads.sum())
        return EpochPlan(
            NamedBatches.of(self.names, plan),
            real,
            1 - real / padded if padded else 0.0,
            array("d", plan.loads.tobytes()),
            int(plan.loads.argmax()) if len(plan.loads) else 0,
        )

    def facts(self) -> SetFacts:
        """How much there is."""
        return SetFacts(len(self.rows), float(self.seconds(0).sum()), self.rows.speakers, self.rows.synthetic)

    def identity(self) -> str:
        """Changes when utterances come or go, or when the text or the length of one does."""
        digest = hashlib.sha256()
        for row, name in enumerate(self.names):
            digest.update(name.encode("utf-8", "surrogatepass") + b"\0")
            digest.update(np.asarray(self.rows.labels[row], dtype="<u4").tobytes() + b"\0")
            if not self.training:  # texts outside the units have no labels, and are judged by their words
                digest.update(self.utterances[name].text.encode("utf-8", "surrogatepass") + b"\0")
        digest.update(np.ascontiguousarray(self._frames[1.0], dtype="<i8").tobytes())
        return digest.hexdigest()

    def input_identity(self) -> str:
        """Changes, most likely, when the features or recordings are others than they were."""
        return self.source.identity()

    def shared_with(self, ids: Iterable[str]) -> list[str]:
        """Those of some ids that are in this set too, sorted."""
        return sorted({name for name in ids if name in self.rows})

    def load(self, name: str, epoch: int) -> Tensor:
        """Features (T, F) of one utterance in one epoch."""
        return self.batch([name], epoch).features[0]

    def batch(self, names: Sequence[str], epoch: int) -> Batch:
        """Load and pad one batch."""
        return self._finish(self._load(names, epoch), epoch)

    def batches(self, plan: Sequence[Sequence[str]], epoch: int) -> Iterator[Batch]:
        """The batches of a plan in order, loaded here or by `training.workers` processes."""
        if self.config.training.workers == 0:
            for names in plan:
                yield self.batch(names, epoch)
            return
        for fetched in load_in_processes(_PlannedBatches(self, plan, epoch), self.config.training.workers):
            yield fetched if isinstance(fetched, Batch) else self._finish(fetched, epoch)

    def fetch(self, names: Sequence[str], epoch: int) -> Batch | Loaded:
        """What a loading process does for one batch."""
        loaded = self._load(names, epoch)
        return loaded if self.source.late else self._finish(loaded, epoch)

    def _load(self, names: Sequence[str], epoch: int) -> Loaded:
        speeds = [self._speed(self.rows.row(name), epoch) for name in names]
        return Loaded(list(names), *self.source.load(names, speeds, epoch if self._augments(epoch) else None))

    def _finish(self, loaded: Loaded, epoch: int) -> Batch:
        """Features of what was loaded, masked, with their targets."""
        features, lengths = self.source.features(loaded.ids, loaded.padded, loaded.lengths)
        frames: list[int] = lengths.tolist()
        if self._augments(epoch):
            mask(features, frames, loaded.ids, self.config, epoch)
        seconds = sum(frames) * self.config.features.frame_shift_ms / 1000
        return Batch(loaded.ids, features, lengths, [self.rows.target(name) or [] for name in loaded.ids], seconds)

    def _augments(self, epoch: int) -> bool:
        return self.training and epoch >= self.config.augmentation.first_epoch

    def _speed(self, row: int, epoch: int) -> float:
        """At which speed an epoch hears an utterance."""
        if not self._augments(epoch):
            return 1.0
        settings = self.config.augmentation
        speeds = [] if settings.speed_range else self._speeds[self._kinds[row]]
        if len(speeds) == 1 and settings.speed_probability == 1:
            return speeds[0]
        generator = generator_for(self.config.seed, "speed", epoch, self.names[row])
        if settings.speed_range:
            speed = round(uniform_in(settings.speed_range, generator), 3)
            speed = speed if self._output_frames(row, speed) >= self.rows.needed[row] else 1.0
        else:
            speed = speeds[int(generator.integers(len(speeds)))]
        skipped = settings.speed_probability < 1 and generator.random() >= settings.speed_probability
        return 1.0 if skipped else speed

    def _count_frames(self) -> dict[float, np.ndarray]:
        """(N,) frames at each speed that can be planned before anything is drawn; the recorded one for all sets."""
        speeds = {1.0, *(self.config.augmentation.speeds if self.training else ())}
        counts = {speed: np.empty(len(self.rows), np.uint32) for speed in sorted(speeds)}
        for row, name in enumerate(self.names):
            for speed, frames in counts.items():
                frames[row] = self.source.frames(name, speed)
        return counts

    def _usable_speeds(self) -> tuple[np.ndarray, list[list[float]]]:
        """Listed speeds at which each text still fits: (N,) which list of them, and the lists.

        Raises:
            TrainingError: a text does not fit at the recorded speed.
        """
        reduction = self.config.model.time_reduction
        output = {speed: -(-frames.astype(np.int64) // reduction) for speed, frames in self._frames.items()}
        usable = {speed: frames >= self.rows.needed for speed, frames in output.items()}
        offenders = np.flatnonzero(~usable[1.0]).tolist()
        names = [self.names[row] for row in offenders]
        check_feasible(names, output[1.0][offenders].tolist(), [self.rows.target(name) or [] for name in names])
        speeds = self.config.augmentation.speeds or [1.0]
        patterns, kinds = np.unique(np.stack([usable[speed] for speed in speeds], axis=1), axis=0, return_inverse=True)
        lists = [[speed for speed, fits in zip(speeds, pattern, strict=True) if fits] or [1.0] for pattern in patterns]
        return kinds.reshape(-1).astype(np.min_scalar_type(len(lists))), lists

    def _frames_at(self, row: int, speed: float) -> int:
        counted = self._frames.get(speed)
        return self.source.frames(self.names[row], speed) if counted is None else int(counted[row])

    def _output_frames(self, row: int, speed: float) -> int:
        return -(-self._frames_at(row, speed) // self.config.model.time_reduction)


def refuse_shared(names: Collection[str]) -> None:
    """Refuse to validate on what is trained on.

    Args:
        names: ids that are in both sets.

    Raises:
        TrainingError: there are any.
    """
    if names:
        more = f"and {len(names) - 1} more are in train and in dev"
        raise TrainingError(min(names), more, "keep the sets apart: 'asr prepare'")


def load_in_processes(dataset: Dataset[Any], workers: int) -> Iterator[Any]:
    """What a data set yields, loaded by `workers` processes; an error that one of them hands over is raised here."""
    loader = DataLoader(
        dataset, batch_size=None, num_workers=workers, prefetch_factor=4, pin_memory=torch.cuda.is_available()
    )
    for fetched in loader:
        if isinstance(fetched, AsrError):
            raise fetched
        yield fetched


class _PlannedBatches(Dataset[Batch | Loaded | AsrError]):
    """Lets a DataLoader's processes fetch whole batches by their number.

    An error is handed over as a value: a DataLoader would raise it again as a RuntimeError that holds a traceback.
    """

    def __init__(self, examples: Examples, plan: Sequence[Sequence[str]], epoch: int) -> None:
        self.examples, self.plan, self.epoch = examples, plan, epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Batch | Loaded | AsrError:
        try:
            return self.examples.fetch(self.plan[index], self.epoch)
        except AsrError as error:
            return error


def mask(features: Tensor, frames: Sequence[int], ids: Sequence[str], config: ExperimentConfig, epoch: int) -> None:
    """SpecAugment each utterance of padded features (B, T, F) in place, drawn by seed, epoch and its id."""
    for row, (name, count) in enumerate(zip(ids, frames, strict=True)):
        generator = generator_for(config.seed, "specaugment", epoch, name)
        features[row, :count] = spec_augment(features[row, :count], config.augmentation, generator)
