"""What a training will need and whether its data will do, told before it starts.

Nothing is written to the experiment: the few updates that are measured train a model that is thrown away, and their
checkpoint goes to a temporary folder.
"""

from __future__ import annotations

import logging
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from asr.batches.examples import Examples
from asr.batches.plan import EpochPlan
from asr.batches.sets import TrainingSet, load_sets, shards_of
from asr.config.experiment import ExperimentConfig
from asr.corpus.manifest import Manifest
from asr.corpus.utterance import Utterance
from asr.features.store import FEATURES, FeatureStore
from asr.model.acoustic import AcousticModel
from asr.model.denominator import Denominator
from asr.model.directory import build_model, choose_device
from asr.training.checkpoint import disk_of, save_checkpoint
from asr.training.checks.data import TargetCheck, check_targets
from asr.training.cost.allocator import keep_freed_memory, prepare_little_ahead
from asr.training.cost.duration import UpdateTimes, Work, count_work, fit_times
from asr.training.cost.memory import MemoryEstimate, PeakMemory, estimate_memory, expected_peak, memory_limit
from asr.training.denominator import denominator_for
from asr.training.processes.share import Share
from asr.training.step.rehearsal import rehearse_longest
from asr.training.step.update import Updater
from asr.training.validation import validate
from asr.units import Units

LOGGER = logging.getLogger("asr")
PLANNING_SECONDS = 60.0  # spent on counting the updates of every epoch before two epochs stand for all
MEASURING_SECONDS = 20.0  # spent on updates beyond one of each length
LENGTHS, ROUNDS = 6, 3
MOST_DEV = 64  # dev utterances decoded to measure validation


@dataclass(frozen=True)
class Measured:
    """What a few updates took.

    Attributes:
        times: fitted to updates of several lengths, loading included where training itself loads.
        base: bytes in use before the first update, the model and the index of the data included.
        need: bytes that the longest batch took beside them.
        peak: bytes at most, over the longest batch among others.
        dev_seconds: of one validation.
        save_seconds: of one checkpoint.
        checkpoint: bytes of one.
        batches: padded seconds of each measured update.
    """

    times: UpdateTimes
    base: int
    need: int
    peak: int
    dev_seconds: float
    save_seconds: float
    checkpoint: int
    batches: list[float]


@dataclass(frozen=True)
class TrainingPlan:
    """Everything `asr check plan` tells.

    Attributes:
        name: of the experiment.
        device: where it was measured.
        parameters: number of weights of each part of the model.
        utterances: of the training set and of the dev set.
        units: size of the inventory.
        targets: what was found in the data.
        work: updates and audio; None where no utterance can be used.
        memory: predicted for the longest batch.
        limit: bytes of memory that the device has.
        measured: None where nothing could be measured.
        epochs: of the schedule.
        saves: checkpoints written in all.
        features: bytes of the stored features.
        free: bytes free where the experiment will lie.
        disk: bytes that it will take: checkpoints, epoch weights and the final model.
    """

    name: str
    device: str
    parameters: dict[str, int]
    utterances: tuple[int, int]
    units: int
    targets: TargetCheck
    work: Work | None
    memory: MemoryEstimate
    limit: int
    measured: Measured | None
    epochs: int
    saves: int
    features: int
    free: int
    disk: int

    @property
    def expected_memory(self) -> int:
        """Bytes that training will use at most; without the program where nothing could be measured."""
        measured = self.measured
        return expected_peak(measured.base, measured.need, self.device) if measured else self.memory.total

    @property
    def epoch_seconds(self) -> float:
        """Of an epoch on average, with validation and saving."""
        return self.total_seconds / self.epochs

    @property
    def total_seconds(self) -> float:
        """Of the whole training."""
        if self.work is None or self.measured is None:
            return 0.0
        updates = self.measured.times.seconds(self.work.steps, sum(self.work.padded))
        return updates + (self.epochs + 1) * self.measured.dev_seconds + self.saves * self.measured.save_seconds

    @property
    def obstacles(self) -> list[str]:
        """Why training would fail, one line each; empty when it can start."""
        found = []
        if self.targets.errors:
            found.append(f"{self.targets.errors} errors in the data, listed above")
        if self.disk > self.free:
            found.append(f"the disk has {self.free / 1e9:.2f} GB free; lower training.average, or use another --exp")
        needed = self.measured.base + self.measured.need if self.measured else self.memory.total
        if needed > self.limit:
            found.append(f"the device has {self.limit / 1e9:.2f} GB of memory; lower batching.seconds or model.hidden")
        return found


def plan_training(
    config: ExperimentConfig,
    data: str | Path,
    experiment: str | Path,
    *,
    device: str | None = None,
    threads: int = 0,
) -> TrainingPlan:
    """Check the data, count the work and measure a few updates.

    Args:
        config: the experiment.
        data: data folder, as for `train_experiment`.
        experiment: where it would lie; only the free space there is looked at.
        device: see `choose_device`.
        threads: CPU threads; 0 takes all cores.

    Raises:
        AsrError: manifests, units, features or configuration cannot be read at all.
    """
    data = Path(data)
    prepare_little_ahead()
    if threads:
        torch.set_num_threads(threads)
    chosen = choose_device(device)
    units = Units.load(data / "units.txt")
    found = _look_at_data(config, data, units)
    torch.manual_seed(config.seed)
    model = build_model(config, units).to(chosen)
    work, measured, limit = None, None, memory_limit(chosen)
    memory = estimate_memory(model, config, 0.0)
    if found.usable:
        train, dev, _ = load_sets(config, data, units, chosen, found.targets.unusable)
        keep_freed_memory()  # as training does
        work = count_work(train, config, PLANNING_SECONDS)
        memory = estimate_memory(model, config, work.largest)
        if memory.total < limit:  # otherwise measuring would end the process
            measured = _measure(config, model, units, train, dev, chosen)
    checkpoint = measured.checkpoint if measured else memory.weights + memory.optimizer
    return TrainingPlan(
        name=config.name,
        device=str(chosen),
        parameters=count_parameters(model),
        utterances=(found.train or (train.facts().utterances if found.usable else 0), found.dev),
        units=len(units),
        targets=found.targets,
        work=work,
        memory=memory,
        limit=limit,
        measured=measured,
        epochs=config.training.epochs,
        saves=2 * config.training.epochs + (work.steps if work else 0) // config.training.save_steps,
        features=found.features,
        free=_free_space(Path(experiment)),
        disk=disk_of(config, model, checkpoint) + 2 * memory.weights,  # the model directory: weights and graph
    )


@dataclass(frozen=True)
class _Found:
    """What the manifests and stores say: utterances of both sets, bytes of features, and what is wrong."""

    train: int
    dev: int
    features: int
    targets: TargetCheck
    usable: bool


def _look_at_data(config: ExperimentConfig, data: Path, units: Units) -> _Found:
    """Check targets; shards refuse those that cannot be learnt by themselves, when they are opened."""
    sharded = shards_of(config, data) is not None
    train: Iterable[Utterance] = [] if sharded else Manifest(data / "train.jsonl")
    dev = Manifest(data / "dev.jsonl")
    stores = None
    if config.features.source == "store" and not sharded:
        folders = (data / "features" / "train", data / "features" / "dev")
        stores = (FeatureStore.open(folders[0], config.features), FeatureStore.open(folders[1], config.features))
    targets = check_targets(train, dev, units, config, stores)
    unusable = targets.unusable
    usable = [any(each.id not in unusable for each in utterances) for utterances in (train, dev)]
    features = sum((store.directory / FEATURES).stat().st_size for store in stores or ())
    return _Found(*targets.utterances, features, targets, (sharded or usable[0]) and usable[1])


def count_parameters(model: AcousticModel) -> dict[str, int]:
    """Number of weights of the front end, of each LSTM layer and of the output, in the order of the flow."""
    parts: dict[str, nn.Module] = {"front end": model.front_end}
    parts |= {f"LSTM layer {number}": layer for number, layer in enumerate(model.stack.layers, start=1)}
    parts["output"] = model.output
    counts = {name: sum(parameter.numel() for parameter in part.parameters()) for name, part in parts.items()}
    rest = model.parameter_count() - sum(counts.values())
    return {**counts, "other": rest} if rest else counts


def _measure(
    config: ExperimentConfig,
    model: AcousticModel,
    units: Units,
    train: TrainingSet,
    dev: Examples,
    device: torch.device,
) -> Measured:
    memory = PeakMemory(device)
    denominator = denominator_for(config, train, units)
    updater = Updater(model, config.training, device, denominator=denominator)
    base, need = rehearse_longest(updater, train, train.plan(0), 0, config)
    padded, times = _time_updates(updater, train, config, memory)
    saving, checkpoint = _time_saving(updater, config)
    memory.observe()
    return Measured(
        times=fit_times(padded, times),
        base=base,
        need=need,
        peak=memory.bytes,
        dev_seconds=_time_validation(model, units, dev, device, denominator),
        save_seconds=saving,
        checkpoint=checkpoint,
        batches=padded,
    )


def _time_saving(updater: Updater, config: ExperimentConfig) -> tuple[float, int]:
    """Seconds that writing a resumable state takes, and its bytes."""
    state = {"config": config.model_dump(), "model": updater.model.state_dict(), **updater.state_dict()}
    with tempfile.TemporaryDirectory(prefix="asr-plan-") as folder:
        begun = time.monotonic()
        path = save_checkpoint(folder, 0, state, keep=1)
        return time.monotonic() - begun, path.stat().st_size


def _time_updates(
    updater: Updater, train: TrainingSet, config: ExperimentConfig, memory: PeakMemory
) -> tuple[list[float], list[float]]:
    """Padded seconds and time of updates from the shortest to the longest; the fastest of a few rounds counts."""
    epoch = min(max(config.augmentation.first_epoch, config.batching.shortest_first_epochs), config.training.epochs - 1)
    plan = train.plan(epoch)
    groups = choose_updates(plan, config.training.accumulate, LENGTHS)
    _time_update(
        updater, train, [plan.batches[place] for place in groups[0]], epoch
    )  # the first of all also loads and compiles
    times = [float("inf")] * len(groups)
    begun = time.monotonic()
    for number in range(ROUNDS):
        for index, group in enumerate(groups):
            if number and time.monotonic() - begun > MEASURING_SECONDS:
                break
            names = [plan.batches[place] for place in group]
            times[index] = min(times[index], _time_update(updater, train, names, epoch))
            memory.observe()
    return [sum(plan.loads[place] for place in group) for group in groups], times


def choose_updates(plan: EpochPlan, accumulate: int, count: int) -> list[Sequence[int]]:
    """Places of the batches of some updates of different lengths, from the shortest to the longest of the epoch.

    Args:
        plan: of the epoch.
        accumulate: batches in an update.
        count: updates wanted; fewer where the epoch has fewer.
    """
    groups = [range(begin, min(begin + accumulate, len(plan.loads))) for begin in range(0, len(plan.loads), accumulate)]
    groups.sort(key=lambda group: sum(plan.loads[place] for place in group))
    chosen = np.unique(np.linspace(0, len(groups) - 1, count).round().astype(int))
    largest = max(groups, key=lambda group: max(plan.loads[place] for place in group))  # it decides on the memory
    return [groups[index] for index in chosen[:-1]] + [groups[-1]] + ([largest] if largest != groups[-1] else [])


def _time_update(updater: Updater, train: TrainingSet, names: Sequence[Any], epoch: int) -> float:
    """Seconds of one update; of its data too where no other process would load them."""
    begun = time.monotonic()
    batches = [train.batch(each, epoch) for each in names]
    loaded = time.monotonic()
    share = Share(batches, list(range(len(batches))), sum(map(len, names)), len(batches))
    updater.update(share, updater.settings.learning_rate)  # reads the loss, so a GPU has finished
    return time.monotonic() - (loaded if updater.settings.workers else begun)


def _time_validation(
    model: AcousticModel, units: Units, dev: Examples, device: torch.device, denominator: Denominator | None
) -> float:
    """Seconds that judging on the dev set takes, from a part of it."""
    utterances = list(dev.utterances.values())
    part = utterances[:: -(-len(utterances) // MOST_DEV)]
    sample = Examples(part, dev.source, units, dev.config, training=False)
    begun = time.monotonic()
    validate(model, sample, units, device, denominator=denominator)
    seconds = time.monotonic() - begun
    whole, taken = (sum(item.seconds for item in each.items(0)) for each in (dev, sample))
    return seconds * whole / max(taken, 1e-9)


def _free_space(folder: Path) -> int:
    """Bytes free where a folder would be made."""
    folder = folder.absolute()
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
