"""Training and validation examples: stored features, normalised and augmented, padded into batches.

Shapes: B utterances, T frames (longest of the batch), F mel bins.

Everything random about an example depends only on (seed, epoch, utterance id), so neither the order of batches, nor the
number of workers, nor a restart changes what the model sees.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from asr.batching import Item, padding_share, plan_epoch
from asr.config import ExperimentConfig
from asr.corpus.utterance import Utterance
from asr.errors import FeatureError, UnitsError
from asr.features.computing import speed_id
from asr.features.normalisation import Normaliser
from asr.features.spec_augment import spec_augment
from asr.features.store import FeatureStore
from asr.model.ctc import check_feasible
from asr.seeding import generator_for
from asr.units import Units, required_frames


@dataclass(frozen=True)
class Batch:
    """Padded features (B, T, F), lengths (B,) int64, and B ids and targets; `seconds` of real audio in all."""

    ids: list[str]
    features: Tensor
    lengths: Tensor
    targets: list[list[int]]
    seconds: float


@dataclass(frozen=True)
class EpochPlan:
    """The batches of one epoch in order, each a list of ids, with what the log says of them.

    Attributes:
        batches: can be sliced from any position on.
        seconds: of audio in all.
        padding: share of the padded frames that is padding, 0..1.
    """

    batches: Sequence[Sequence[str]]
    seconds: float
    padding: float


class Examples(Dataset[Batch]):
    """The utterances of one set.

    Args:
        utterances: the set; each id must be in the store.
        store: its features.
        normaliser: applied to every utterance before augmentation.
        units: spell the targets.
        config: the experiment.
        training: augment and spell targets; otherwise features are clean and a text outside the units has no target.

    Raises:
        FeatureError: an utterance is not in the store.
        TrainingError: a target cannot fit its frames (training only).
    """

    def __init__(
        self,
        utterances: Sequence[Utterance],
        store: FeatureStore,
        normaliser: Normaliser,
        units: Units,
        config: ExperimentConfig,
        *,
        training: bool,
    ) -> None:
        self.utterances = {utterance.id: utterance for utterance in utterances}
        self.store = store
        self.normaliser = normaliser
        self.config = config
        self.training = training
        missing = [name for name in self.utterances if name not in store]
        if missing:
            raise FeatureError(missing[0], f"and {len(missing) - 1} more are not in the store", "run 'asr features'")
        self.targets = {u.id: _spell(u, units, strict=training) for u in utterances}
        self.speeds = {u.id: self._usable_speeds(u.id) for u in utterances} if training else {}
        self._epoch = 0

    def items(self, epoch: int) -> list[Item]:
        """Names and lengths as this epoch will read them."""
        shift = self.config.features.frame_shift_ms / 1000
        speeds = {name: self._speed(name, epoch) for name in self.utterances}
        return [Item(name, self.store.frames(speed_id(name, speed)) * shift) for name, speed in speeds.items()]

    def plan(self, epoch: int) -> EpochPlan:
        """What this epoch trains on, and in which order; a pure function of the set, the configuration and `epoch`."""
        items = self.items(epoch)
        batches = plan_epoch(items, self.config.batching, self.config.seed, epoch)
        return EpochPlan(batches, total_seconds(items), padding_share(items, batches))

    def load(self, name: str, epoch: int) -> Tensor:
        """Features (T, F) of one utterance in one epoch."""
        speed = self._speed(name, epoch)
        matrix = torch.from_numpy(np.array(self.store[speed_id(name, speed)], dtype=np.float32))
        features = self.normaliser(matrix, speed_id(self.utterances[name].speaker, speed))
        if self.training and epoch >= self.config.augmentation.first_epoch:
            generator = generator_for(self.config.seed, "specaugment", epoch, name)
            features = spec_augment(features, self.config.augmentation, generator)
        return features

    def batch(self, names: Sequence[str], epoch: int) -> Batch:
        """Load and pad one batch."""
        matrices = [self.load(name, epoch) for name in names]
        lengths = torch.tensor([len(matrix) for matrix in matrices], dtype=torch.long)
        features = torch.nn.utils.rnn.pad_sequence(matrices, batch_first=True)
        seconds = float(lengths.sum()) * self.config.features.frame_shift_ms / 1000
        return Batch(list(names), features, lengths, [self.targets[name] or [] for name in names], seconds)

    def batches(self, plan: Sequence[Sequence[str]], epoch: int) -> Iterator[Batch]:
        """The batches of a plan in order, loaded here or by `training.workers` processes."""
        if self.config.training.workers == 0:
            for names in plan:
                yield self.batch(names, epoch)
            return
        loader = DataLoader(
            _PlannedBatches(self, plan, epoch),
            batch_size=None,
            num_workers=self.config.training.workers,
            prefetch_factor=4,
            pin_memory=torch.cuda.is_available(),
        )
        yield from loader

    def _speed(self, name: str, epoch: int) -> float:
        """At which speed an epoch hears an utterance."""
        if not self.training or epoch < self.config.augmentation.first_epoch:
            return 1.0
        speeds = self.speeds[name]
        return speeds[int(generator_for(self.config.seed, "speed", epoch, name).integers(len(speeds)))]

    def _usable_speeds(self, name: str) -> list[float]:
        """Stored speeds at which the text still fits; the recorded speed itself must fit."""
        target = self.targets[name] or []
        reduction = self.config.model.time_reduction
        check_feasible([name], [-(-self.store.frames(name) // reduction)], [target])
        usable = []
        for speed in self.config.augmentation.speeds or [1.0]:
            stored = speed_id(name, speed)
            if stored not in self.store:
                raise FeatureError(stored, "is not in the store", f"run 'asr features --speeds' with {speed:g}")
            if -(-self.store.frames(stored) // reduction) >= required_frames(target):
                usable.append(speed)
        return usable or [1.0]


class _PlannedBatches(Dataset[Batch]):
    """Lets a DataLoader's processes fetch whole batches by their number."""

    def __init__(self, examples: Examples, plan: Sequence[Sequence[str]], epoch: int) -> None:
        self.examples, self.plan, self.epoch = examples, plan, epoch

    def __len__(self) -> int:
        return len(self.plan)

    def __getitem__(self, index: int) -> Batch:
        return self.examples.batch(self.plan[index], self.epoch)


def total_seconds(items: Iterable[Item]) -> float:
    """Seconds of audio in all."""
    return sum(item.seconds for item in items)


def _spell(utterance: Utterance, units: Units, *, strict: bool) -> list[int] | None:
    """Labels of an utterance; None where the text is outside the units and that may be."""
    try:
        return units.encode(utterance.text)
    except UnitsError as error:
        if strict:
            raise UnitsError(utterance.id, error.reason, "run 'asr validate --units' and correct the text") from None
        return None
