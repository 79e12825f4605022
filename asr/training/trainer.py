"""The training loop: epochs of updates, each checked before it is taken, saved before it is judged, resumable anywhere.

On one machine with one number of threads, CPU training is bit-reproducible from (seed, configuration, data), also
across a kill and a resume: every draw is derived from the seed and the position, never from what was drawn before.
With several processes each runs this loop on its share of every update, and the first writes all files.
"""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import torch

from asr.batches.examples import Batch, Examples
from asr.batches.plan import EpochPlan, require_order
from asr.batches.sets import TrainingSet
from asr.config.experiment import ExperimentConfig
from asr.errors import TrainingError
from asr.model.acoustic import AcousticModel
from asr.model.denominator import Denominator
from asr.seeding import generator_for
from asr.training.checkpoint import checkpoint_path, load_newest, save_checkpoint
from asr.training.cost.allocator import FreedMemory
from asr.training.cost.memory import memory_now
from asr.training.metrics import BlankAlarm, Journal
from asr.training.processes.share import Share, SharedEpoch
from asr.training.processes.world import World
from asr.training.resumption import data_state, require_same_experiment
from asr.training.step.rehearsal import rehearse_longest
from asr.training.step.schedule import learning_rate
from asr.training.step.update import Updater
from asr.training.validation import validate
from asr.training.weights.averaging import EpochResult, choose_epochs, epoch_path, prune_epochs, save_epoch
from asr.units import Units

LOGGER = logging.getLogger("asr")


@dataclass
class Progress:
    """Where training stands; together with the weights and the optimiser it is everything a resume needs.

    Attributes:
        step: updates taken or skipped so far.
        epoch: current epoch, from 0.
        position: updates done within the epoch.
        bad_steps: consecutive updates skipped for a non-finite loss or gradient.
        history: dev results of the finished epochs.
    """

    step: int = 0
    epoch: int = 0
    position: int = 0
    bad_steps: int = 0
    history: list[EpochResult] = field(default_factory=list)


@dataclass
class Tally:
    """Sums over the updates since the last log line."""

    loss: float = 0.0
    gradient_norm: float = 0.0
    blank_rate: float = 0.0
    audio_seconds: float = 0.0
    data_seconds: float = 0.0
    updates: int = 0
    traffic_before: float = 0.0
    started: float = field(default_factory=time.monotonic)


class Trainer:
    """Trains one acoustic model in one experiment folder.

    Args:
        config: the experiment; stored with every checkpoint.
        model: already on `device`.
        units: of the model.
        train: training examples.
        dev: validation examples.
        experiment: folder for checkpoints, metrics and logs.
        device: where to train.
        world: the processes that train together.
        denominator: of CTC-CRF; None where the criterion is CTC.
    """

    def __init__(
        self,
        config: ExperimentConfig,
        model: AcousticModel,
        units: Units,
        train: TrainingSet,
        dev: Examples,
        experiment: Path,
        device: torch.device,
        world: World | None = None,
        denominator: Denominator | None = None,
    ) -> None:
        self.config, self.model, self.units = config, model, units
        self.train_examples, self.dev_examples = train, dev
        self.checkpoints = experiment / "checkpoints"
        self.experiment = experiment
        self.device = device
        self.world = world or World()
        self.updater = Updater(model, config.training, device, self.world, denominator)
        self.progress = Progress()
        self.rehearsed = False
        self.freed: FreedMemory | None = None
        self.alarm = BlankAlarm()

    def resume(self) -> bool:
        """Go back to the newest whole checkpoint; False where there is none.

        Raises:
            CheckpointError: no checkpoint can be read, or it belongs to another experiment or another order of batches.
        """
        state = self.world.once(lambda: load_newest(self.checkpoints))
        if state is None:
            return False
        self._load_state(state)
        return True

    def train(self, stop_after: int | None = None) -> list[EpochResult]:
        """Train to the last epoch, to `stop_after` or until patience runs out; returns every epoch's dev result."""
        last = min(self.config.training.epochs, stop_after or self.config.training.epochs)
        with self._open_journal() as self.journal:
            while self.progress.epoch < last and not self._out_of_patience():
                self._train_epoch()
                self.save()
                self._finish_epoch()
        return self.progress.history

    def averaged_paths(self) -> list[Path]:
        """Files of the epochs that make up the final model."""
        settings = self.config.training
        epochs = choose_epochs(self.progress.history, settings.average, settings.average_by)
        return [epoch_path(self.checkpoints, epoch) for epoch in epochs]

    @cached_property
    def data(self) -> dict[str, Any]:
        """What a checkpoint keeps of the data."""
        return data_state(self.train_examples, self.dev_examples)

    def _open_journal(self) -> AbstractContextManager[Journal | None]:
        if self.world.leads:
            return Journal(self.experiment, self.progress.step, self.progress.epoch)
        return nullcontext()

    def _record(self, kind: str, **values: float | int | str | list[str]) -> None:
        if self.journal is not None:
            self.journal.write(kind, self.progress.step, **values)

    def _train_epoch(self) -> None:
        epoch = self.progress.epoch
        plan = self.train_examples.plan(epoch)
        shared = SharedEpoch(plan, self.config.training.accumulate, self.world)
        updates = len(shared)
        if self.progress.position == 0:
            LOGGER.info(
                "epoch %d: %d updates, %.2f h of audio, %.1f %% padding",
                epoch + 1, updates, plan.seconds / 3600, 100 * plan.padding,
            )  # fmt: skip
        if not self.rehearsed:
            self.rehearse(plan)
        batches = self.train_examples.batches(shared.own_batches(self.progress.position), epoch)
        tally = Tally(traffic_before=self.world.traffic.seconds)
        while self.progress.position < updates:
            before = time.monotonic()
            share = self._share(shared, batches)
            tally.data_seconds += time.monotonic() - before
            self._update(share, updates, tally)
            if self.progress.step % self.config.training.log_steps == 0 or self.progress.position == updates:
                self._log(tally)
                tally = Tally(traffic_before=self.world.traffic.seconds)
            if self.progress.step % self.config.training.save_steps == 0 and self.progress.position < updates:
                self.save()

    def _share(self, shared: SharedEpoch, batches: Iterator[Batch]) -> Share:
        """This process's part of the update where training stands; dropout is drawn from the place in the update."""
        own, whole = shared.own(self.progress.position), shared.batches(self.progress.position)
        key = (self.config.seed, "dropout", self.progress.step)
        seeds = [int(generator_for(*key, *([place] if place else [])).integers(2**62)) for place in own]
        return Share(list(itertools.islice(batches, len(own))), seeds, sum(map(len, whole)), len(whole))

    def rehearse(self, plan: EpochPlan) -> None:
        """Try the longest batch, as long as the slowest speed of later epochs can make it, and note what it needs."""
        before, need = rehearse_longest(self.updater, self.train_examples, plan, self.progress.epoch, self.config)
        if self.device.type == "cpu":
            self.freed = FreedMemory(before, need, lambda: memory_now(self.device))
        self.rehearsed = True

    def _update(self, share: Share, updates: int, tally: Tally) -> None:
        """One update at the place of the schedule where training stands."""
        done = (self.progress.epoch + (self.progress.position + 1) / updates) / self.config.training.epochs
        result = self.updater.update(share, learning_rate(done, self.config.training))
        if self.freed is not None:
            self.freed.observe()
        self.progress.step += 1
        self.progress.position += 1
        if result.overflow:
            LOGGER.info("update %d: float16 overflowed, the loss is scaled less from now on", self.progress.step)
            return
        if not result.taken:
            self._skip([name for batch in share.batches for name in batch.ids], result.loss, result.gradient_norm)
            return
        self.progress.bad_steps = 0
        if self.world.leads:
            self.alarm.observe(result.blank_rate)
        tally.loss += result.loss
        tally.gradient_norm += result.gradient_norm
        tally.blank_rate += result.blank_rate
        tally.audio_seconds += result.seconds
        tally.updates += 1

    def _skip(self, own: list[str], loss: float, norm: float) -> None:
        names = list(itertools.chain(*self.world.gather(own)))
        self.progress.bad_steps += 1
        if self.world.leads:
            LOGGER.warning(
                "update %d skipped: loss %s, gradient norm %s; utterances %s",
                self.progress.step, loss, norm, " ".join(names),
            )  # fmt: skip
        self._record("skipped", utterances=names)
        if self.progress.bad_steps >= self.config.training.bad_steps:
            raise TrainingError(
                f"update {self.progress.step}",
                f"{self.progress.bad_steps} updates in a row had a non-finite loss or gradient",
                "lower training.learning_rate or check the utterances named in train.log; the last checkpoint is kept",
            )

    def _finish_epoch(self) -> None:
        progress, settings = self.progress, self.config.training
        with self.updater.judged_weights():
            denominator = self.updater.denominator
            result = validate(self.model, self.dev_examples, self.units, self.device, self.world, denominator)
            if self.world.leads:
                save_epoch(self.checkpoints, progress.epoch, self.model.state_dict())
        progress.history.append(EpochResult(progress.epoch, result.wer, result.loss))
        self._record("dev", epoch=progress.epoch + 1, wer=result.wer, cer=result.cer, loss=result.loss)
        LOGGER.info(
            "epoch %d of %d: dev %s %.2f %%, CER %.2f %%, loss %.3f",
            progress.epoch + 1, settings.epochs, self.units.error_rate, result.wer, result.cer, result.loss,
        )  # fmt: skip
        if self.world.leads:
            prune_epochs(self.checkpoints, choose_epochs(progress.history, settings.average, settings.average_by))
        progress.epoch += 1
        progress.position = 0
        self.save()

    def _out_of_patience(self) -> bool:
        patience, history = self.config.training.patience, self.progress.history
        if not patience or len(history) <= patience:
            return False
        best = min(history, key=lambda result: (result.wer, result.epoch))
        stop = self.progress.epoch - best.epoch > patience
        if stop:
            LOGGER.info(
                "stopping: no better dev %s than %.2f %% for %d epochs", self.units.error_rate, best.wer, patience
            )
        return stop

    def _log(self, tally: Tally) -> None:
        if not tally.updates:
            return
        elapsed = max(time.monotonic() - tally.started, 1e-9)
        values = {
            "loss": tally.loss / tally.updates,
            "gradient_norm": tally.gradient_norm / tally.updates,
            "learning_rate": self.updater.learning_rate,
            "blank_rate": tally.blank_rate / tally.updates,
            "audio_seconds_per_second": tally.audio_seconds / elapsed,
            "waiting_for_data": tally.data_seconds / elapsed,
        }
        if self.world.size > 1:
            values["waiting_for_processes"] = (self.world.traffic.seconds - tally.traffic_before) / elapsed
        self._record("train", epoch=self.progress.epoch + 1, **values)
        LOGGER.info(
            "epoch %d update %d: loss %.3f, gradient norm %.2f, learning rate %.2e, blanks %.0f %%, "
            "%.0f audio-seconds/s, %.0f %% waiting for data",
            self.progress.epoch + 1, self.progress.step, values["loss"], values["gradient_norm"],
            values["learning_rate"], 100 * values["blank_rate"], values["audio_seconds_per_second"],
            100 * values["waiting_for_data"],
        )  # fmt: skip

    def save(self) -> None:
        """Write a resumable checkpoint."""
        if self.world.leads:
            save_checkpoint(self.checkpoints, self.progress.step, self._state(), self.config.training.keep)

    def _state(self) -> dict[str, Any]:
        return {
            "config": self.config.model_dump(),
            "units": self.units.symbols,
            "data": self.data,
            "order": self.train_examples.order,
            "progress": asdict(self.progress),
            "alarm_steps": self.alarm.steps,
            "model": self.model.state_dict(),
            **self.updater.state_dict(),
        }

    def _load_state(self, state: dict[str, Any]) -> None:
        require_same_experiment(state, self.config, self.units, self.data, self.checkpoints)
        progress = dict(state["progress"])
        path = checkpoint_path(self.checkpoints, progress["step"])
        require_order(state["order"], self.train_examples.order, path)
        progress["history"] = [EpochResult(**result) for result in progress["history"]]
        self.progress = Progress(**progress)
        self.alarm.steps = state["alarm_steps"]
        self.model.load_state_dict(state["model"])
        self.updater.load_state_dict(state)
        LOGGER.info("resumed at epoch %d, update %d", self.progress.epoch + 1, self.progress.step)
