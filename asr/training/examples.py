"""Training and validation examples: normalised features, augmented and padded into batches.

Shapes: B utterances, N samples, T frames (longest of the batch), F features.

Everything random about an example depends only on (seed, epoch, utterance id), so neither the order of batches, nor the
number of workers, nor a restart changes what the model sees.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asr.batching import Item, padded_seconds, padding_share, plan_epoch
from asr.config import ExperimentConfig
from asr.corpus.utterance import Utterance
from asr.errors import AsrError, UnitsError
from asr.features.spec_augment import spec_augment
from asr.model.ctc import check_feasible
from asr.seeding import generator_for, uniform_in
from asr.units import Units, required_frames


class Source(Protocol):
    """Where the input of a set comes from.

    Attributes:
        late: whether `features` is for the training process, on its device, rather than for those that load.
    """

    late: bool

    def frames(self, name: str, speed: float) -> int:
        """Frames of an utterance at a speed."""

    def load(self, names: Sequence[str], speeds: Sequence[float], epoch: int | None) -> tuple[Tensor, Tensor]:
        """Padded features (B, T, F) or waves (B, N), and lengths (B,); an epoch of None is not augmented."""

    def features(self, names: Sequence[str], loaded: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """Normalised features (B, T, F) and frames (B,) from what was loaded."""


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
class EpochPlan:
    """The batches of one epoch in order, with what the log says of them.

    Attributes:
        batches: each a list of ids, or whatever else the set's own `batches` takes for one; can be sliced from any
            position on.
        seconds: of audio in all.
        padding: share of the padded frames that is padding, 0..1.
        loads: seconds that each batch takes with its padding, by which processes share an update evenly.
        longest: number of the batch that takes most seconds with its padding.
        in_turns: processes take batches in turn instead, whatever their loads.
    """

    batches: Sequence[Any]
    seconds: float
    padding: float
    loads: Sequence[float] = ()
    longest: int = 0
    in_turns: bool = False


@dataclass(frozen=True)
class SetFacts:
    """How much speech a set holds, for the model card; `synthetic` where some of it says so."""

    utterances: int
    seconds: float
    speakers: int
    synthetic: bool


class Examples:
    """The utterances of one set.

    Args:
        utterances: the set.
        source: its input.
        units: spell the targets.
        config: the experiment.
        training: augment and spell targets; otherwise features are clean and a text outside the units has no target.

    Raises:
        FeatureError: the source lacks a speed.
        TrainingError: a target cannot fit its frames (training only).
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        source: Source,
        units: Units,
        config: ExperimentConfig,
        *,
        training: bool,
    ) -> None:
        self.utterances = {utterance.id: utterance for utterance in utterances}
        self.source = source
        self.config = config
        self.training = training
        self.targets = {u.id: _compact(spell(u, units, strict=training)) for u in utterances}
        shared: dict[tuple[float, ...], list[float]] = {}  # most utterances have the same speeds: one list for them
        usable = ((u.id, self._usable_speeds(u.id)) for u in utterances) if training else ()
        self.speeds = {name: shared.setdefault(tuple(speeds), speeds) for name, speeds in usable}

    def items(self, epoch: int) -> list[Item]:
        """Names and lengths as this epoch will read them."""
        shift = self.config.features.frame_shift_ms / 1000
        speeds = {name: self._speed(name, epoch) for name in self.utterances}
        return [Item(name, self.source.frames(name, speed) * shift) for name, speed in speeds.items()]

    def plan(self, epoch: int) -> EpochPlan:
        """What this epoch trains on, and in which order; a pure function of the set, the configuration and `epoch`."""
        items = self.items(epoch)
        batches = plan_epoch(items, self.config.batching, self.config.seed, epoch)
        loads = padded_seconds(items, batches)
        longest = max(range(len(loads)), key=loads.__getitem__, default=0)
        return EpochPlan(batches, total_seconds(items), padding_share(items, batches), loads, longest)

    def facts(self) -> SetFacts:
        """How much there is."""
        utterances = self.utterances.values()
        speakers = len({utterance.speaker for utterance in utterances})
        synthetic = any(utterance.extra.get("synthetic") for utterance in utterances)
        return SetFacts(len(utterances), total_seconds(self.items(0)), speakers, synthetic)

    def identity(self) -> str:
        """Changes when utterances come or go."""
        return hashlib.sha256("\0".join(sorted(self.utterances)).encode()).hexdigest()

    def shared_with(self, ids: Iterable[str]) -> list[str]:
        """Those of some ids that are in this set too, sorted."""
        return sorted(set(ids) & self.utterances.keys())

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
        speeds = [self._speed(name, epoch) for name in names]
        return Loaded(list(names), *self.source.load(names, speeds, epoch if self._augments(epoch) else None))

    def _finish(self, loaded: Loaded, epoch: int) -> Batch:
        """Features of what was loaded, masked, with their targets."""
        features, lengths = self.source.features(loaded.ids, loaded.padded, loaded.lengths)
        frames: list[int] = lengths.tolist()
        if self._augments(epoch):
            mask(features, frames, loaded.ids, self.config, epoch)
        seconds = sum(frames) * self.config.features.frame_shift_ms / 1000
        return Batch(loaded.ids, features, lengths, [list(self.targets[name] or ()) for name in loaded.ids], seconds)

    def _augments(self, epoch: int) -> bool:
        return self.training and epoch >= self.config.augmentation.first_epoch

    def _speed(self, name: str, epoch: int) -> float:
        """At which speed an epoch hears an utterance."""
        if not self._augments(epoch):
            return 1.0
        settings = self.config.augmentation
        generator = generator_for(self.config.seed, "speed", epoch, name)
        if settings.speed_range:
            speed = round(uniform_in(settings.speed_range, generator), 3)
            speed = speed if self._fits(name, speed) else 1.0
        else:
            speeds = self.speeds[name]
            speed = speeds[int(generator.integers(len(speeds)))]
        skipped = settings.speed_probability < 1 and generator.random() >= settings.speed_probability
        return 1.0 if skipped else speed

    def _usable_speeds(self, name: str) -> list[float]:
        """Listed speeds at which the text still fits; the recorded speed itself must fit."""
        frames = self._output_frames(name, 1.0)
        check_feasible([name], [frames], [self.targets[name] or []])
        return [speed for speed in self.config.augmentation.speeds or [1.0] if self._fits(name, speed)] or [1.0]

    def _fits(self, name: str, speed: float) -> bool:
        return self._output_frames(name, speed) >= required_frames(self.targets[name] or [])

    def _output_frames(self, name: str, speed: float) -> int:
        return -(-self.source.frames(name, speed) // self.config.model.time_reduction)


def _compact(labels: list[int] | None) -> array[int] | None:
    """Labels in two or four bytes each: all targets of a set are in memory at once."""
    if labels is None:
        return None
    return array("H" if max(labels, default=0) < 2**16 else "I", labels)


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


def total_seconds(items: Iterable[Item]) -> float:
    """Seconds of audio in all."""
    return sum(item.seconds for item in items)


def mask(features: Tensor, frames: Sequence[int], ids: Sequence[str], config: ExperimentConfig, epoch: int) -> None:
    """SpecAugment each utterance of padded features (B, T, F) in place, drawn by seed, epoch and its id."""
    for row, (name, count) in enumerate(zip(ids, frames, strict=True)):
        generator = generator_for(config.seed, "specaugment", epoch, name)
        features[row, :count] = spec_augment(features[row, :count], config.augmentation, generator)


def spell(utterance: Utterance, units: Units, *, strict: bool) -> list[int] | None:
    """Labels of an utterance; None where the text is outside the units and that may be."""
    try:
        return units.encode(utterance.text)
    except UnitsError as error:
        if strict:
            raise UnitsError(utterance.id, error.reason, "run 'asr validate --units' and correct the text") from None
        return None
