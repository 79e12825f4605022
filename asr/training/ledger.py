"""What a training is expected to cost, from its first updates, against what it did cost in the end."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.config.experiment import ExperimentConfig
from asr.model.acoustic import AcousticModel
from asr.training.checkpoint import disk_of
from asr.training.cost.duration import Plannable, count_work, fit_times
from asr.training.cost.memory import PeakMemory, estimate_memory, expected_peak
from asr.training.processes.share import Share

PLANNING_SECONDS = 2.0  # taken from training to count its updates
FIRST_UPDATES = 20  # measured before the expectation stands; the very first is left out


@dataclass(frozen=True)
class Cost:
    """Of a whole training.

    Attributes:
        updates: in all.
        epoch_seconds: of the updates of an epoch on average, dev set and saving left out.
        memory: peak in bytes, as `PeakMemory` counts.
        disk: bytes of resumable checkpoints and epoch weights.
    """

    updates: int
    epoch_seconds: float
    memory: int
    disk: int


class Ledger:
    """Watches a training, expects its cost early, and compares at the end.

    Args:
        config: the experiment.
        model: to be trained.
        examples: the training set, which plans the epochs.
        device: where training runs.
        checkpoint_bytes: tells the size of a resumable checkpoint; called once.
        processes: that share the work evenly.

    Attributes:
        base: bytes in use before the longest batch was rehearsed.
        need: bytes that it took; 0 before that, and then it is estimated.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        model: AcousticModel,
        examples: Plannable,
        device: torch.device,
        checkpoint_bytes: Callable[[], int],
        processes: int = 1,
    ) -> None:
        self.config, self.model, self.examples, self.processes = config, model, examples, processes
        self.checkpoint_bytes = checkpoint_bytes
        self.memory = PeakMemory(device)
        self.base, self.need = self.memory.begin, 0
        self.expected: Cost | None = None
        self.epochs: list[float] = []
        self._padded: list[float] = []
        self._times: list[float] = []
        self._whole = False
        self._epoch = 0.0

    def begin_epoch(self, position: int) -> None:
        """An epoch goes on at its update `position`; only one that begins at 0 is timed."""
        self._whole, self._epoch = position == 0, 0.0

    def observe(self, share: Share, seconds: float) -> None:
        """Take note of one update.

        Args:
            share: what was computed.
            seconds: from asking for its data to the end of its step.
        """
        self.memory.observe()
        self._epoch += seconds
        frames = sum(batch.features.shape[0] * batch.features.shape[1] for batch in share.batches)
        if self.expected is None and frames:
            self._padded.append(frames * self.config.features.frame_shift_ms / 1000)
            self._times.append(seconds)
            if len(self._times) == FIRST_UPDATES:
                self.expected = self._expect()

    def finish_epoch(self) -> None:
        """An epoch's updates are done; where they were few, the expectation is made now."""
        if self._whole:
            self.epochs.append(self._epoch)
        if self.expected is None and self._times:
            self.expected = self._expect()

    def _expect(self) -> Cost:
        settings = self.config.training
        work = count_work(self.examples, self.config, PLANNING_SECONDS)
        skipped = 1 if len(self._times) > 2 else 0  # the first update also loads and compiles
        times = fit_times(self._padded[skipped:], self._times[skipped:])
        seconds = times.seconds(work.steps, sum(work.padded) / self.processes)
        return Cost(
            updates=work.steps,
            epoch_seconds=seconds / settings.epochs,
            memory=self._expect_memory(work.largest),
            disk=disk_of(self.config, self.model, self.checkpoint_bytes()),
        )

    def _expect_memory(self, largest: float) -> int:
        """Peak in bytes, from the longest batch as it was rehearsed, or from sizes where it was not."""
        estimate = estimate_memory(self.model, self.config, largest)
        need = self.need or estimate.activations + estimate.gradients + estimate.optimizer
        return expected_peak(self.base, need, self.memory.device)

    def fact(self, updates: int, checkpoints: Path) -> Cost:
        """What training has cost by now; an `epoch_seconds` of 0 means that no whole epoch was run."""
        seconds = sum(self.epochs) / len(self.epochs) if self.epochs else 0.0
        disk = sum(path.stat().st_size for path in checkpoints.iterdir() if path.is_file())
        return Cost(updates, seconds, self.memory.observe(), disk)


def compare_costs(expected: Cost, fact: Cost) -> str:
    """One line for the log: each figure as expected and as it was."""
    rows = [
        ("updates", f"{expected.updates}", f"{fact.updates}"),
        ("updates of an epoch", f"{expected.epoch_seconds:.1f} s", f"{fact.epoch_seconds:.1f} s"),
        ("memory", f"{expected.memory / 1e6:.0f} MB", f"{fact.memory / 1e6:.0f} MB"),
        ("checkpoints", f"{expected.disk / 1e6:.2f} MB", f"{fact.disk / 1e6:.2f} MB"),
    ]
    return "plan and fact: " + "; ".join(f"{what} {plan}, was {was}" for what, plan, was in rows)
