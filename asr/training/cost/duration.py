"""How much work a training is and how long it takes: counts from the epochs' plans, times from a few measured updates.

An LSTM's work grows with the padded frames of a batch, and everything else (the optimiser, the clip, Python) costs the
same for every update, so an update's time is taken as a + b x seconds of padded audio.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from asr.batches.plan import EpochPlan
from asr.config.experiment import ExperimentConfig


class Plannable(Protocol):
    """A training set that can plan its epochs."""

    def plan(self, epoch: int) -> EpochPlan:
        """The batches of an epoch."""


@dataclass(frozen=True)
class Work:
    """What the epochs of a training hold.

    Attributes:
        updates: of each epoch.
        padded: seconds of audio of each epoch, padding included.
        seconds: of audio of each epoch.
        largest: seconds of the largest batch, padding included.
        exact: every epoch was planned; otherwise one without and one with augmentation stand for the others.
    """

    updates: list[int]
    padded: list[float]
    seconds: list[float]
    largest: float
    exact: bool

    @property
    def steps(self) -> int:
        """Updates in all."""
        return sum(self.updates)

    @property
    def padding(self) -> float:
        """Share of the padded audio that is padding, 0..1."""
        return 1 - sum(self.seconds) / sum(self.padded) if sum(self.padded) else 0.0


def count_work(examples: Plannable, config: ExperimentConfig, most_seconds: float) -> Work:
    """Plan every epoch of a training, or two of them where all would take longer than `most_seconds`."""
    epochs = config.training.epochs
    later = max(config.augmentation.first_epoch, config.batching.shortest_first_epochs)
    begun = time.monotonic()
    first = examples.plan(0)
    exact = epochs * (time.monotonic() - begun) <= most_seconds
    if exact:
        plans = [first, *(examples.plan(epoch) for epoch in range(1, epochs))]
    else:
        augmented = examples.plan(later) if later < epochs else first
        plans = [first if epoch < later else augmented for epoch in range(epochs)]
    return Work(
        updates=[math.ceil(len(plan.batches) / config.training.accumulate) for plan in plans],
        padded=[plan.seconds / (1 - plan.padding) for plan in plans],
        seconds=[plan.seconds for plan in plans],
        largest=max((max(plan.loads, default=config.batching.seconds) for plan in plans), default=0.0),
        exact=exact,
    )


@dataclass(frozen=True)
class UpdateTimes:
    """Seconds that an update takes: `fixed` + `per_second` x seconds of padded audio."""

    fixed: float
    per_second: float

    def seconds(self, updates: int, padded: float) -> float:
        """Time of some updates with `padded` seconds of audio in all."""
        return self.fixed * updates + self.per_second * padded


def fit_times(padded: Sequence[float], times: Sequence[float]) -> UpdateTimes:
    """Least squares with neither part below zero.

    Args:
        padded: seconds of padded audio of each measured update; at least one, above zero.
        times: seconds that each took.
    """
    x, y = np.asarray(padded, dtype=np.float64), np.asarray(times, dtype=np.float64)
    through_zero = UpdateTimes(0.0, float(x @ y / (x @ x)))
    spread = x - x.mean()
    if not spread @ spread > 1e-9 * (x @ x):
        return through_zero  # equal lengths tell nothing of a fixed part
    slope = float(spread @ y / (spread @ spread))
    constant = float(y.mean() - slope * x.mean())
    if slope < 0:
        return UpdateTimes(float(y.mean()), 0.0)
    return UpdateTimes(constant, slope) if constant >= 0 else through_zero
