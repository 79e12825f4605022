"""One experiment from data folder to model folder: load, train or resume, average, judge, write the model.

A data folder holds `train.jsonl`, `dev.jsonl`, `units.txt` and, under `features/`, the stores `train` and `dev`; the
training set may be tar shards instead, in `shards/train` or wherever `shards.location` says.
An experiment folder holds `config.yaml train.log metrics.jsonl tensorboard/ checkpoints/ model/` and, where the
criterion is CTC-CRF, `denominator/`.
"""

from __future__ import annotations

import hashlib
import logging
import os
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch

from asr.batches.examples import Examples
from asr.batches.sets import TrainingSet, load_sets
from asr.config.experiment import ExperimentConfig, save_config
from asr.model.acoustic import AcousticModel
from asr.model.directory import build_model, save_model
from asr.training.cost.allocator import keep_freed_memory, prepare_little_ahead
from asr.training.denominator import denominator_for
from asr.training.determinism import deterministic_algorithms
from asr.training.lock import training_lock
from asr.training.processes.restart import admit, dismiss
from asr.training.processes.world import World, check_batches, joined, world_of
from asr.training.trainer import Trainer
from asr.training.validation import ValidationResult, validate
from asr.training.weights.averaging import average_weights
from asr.training.weights.begin_from import begin_from
from asr.units import Units

LOGGER = logging.getLogger("asr")


@dataclass(frozen=True)
class TrainingSummary:
    """Where the model is and how it did on the dev set; `error_rate` names what `dev.wer` is."""

    model: Path
    dev: ValidationResult
    epochs: int
    updates: int
    error_rate: str = "WER"


def train_experiment(
    config: ExperimentConfig,
    data: str | Path,
    experiment: str | Path,
    *,
    resume: bool = False,
    device: str | None = None,
    threads: int = 0,
    stop_after: int | None = None,
    init: str | Path | None = None,
    deterministic: bool = False,
) -> TrainingSummary:
    """Train an acoustic model; under `torchrun` together with the other processes of the job.

    Args:
        config: the experiment.
        data: data folder (see above).
        experiment: experiment folder; made when missing.
        resume: go on from the newest checkpoint; without checkpoints begin. A restart by `torchrun` resumes by itself.
        device: see `distributed.device_of`.
        threads: CPU threads; 0 takes all cores. Another number of threads may round differently.
        stop_after: end after this many epochs of the schedule, for trials; `resume` goes on from there.
        init: model folder whose fitting weights to begin with; see `begin_from`.
        deterministic: give the same bits on a GPU too, more slowly; see `deterministic_algorithms`.

    Raises:
        TrainingError: the folder already holds checkpoints and `resume` is False, another training runs in it, dev and
            train share utterances, or the processes cannot train together.
        CheckpointError: the checkpoint to go on from has other settings, units or data.
        AsrError: anything wrong with manifest, features, units, configuration or checkpoints.
    """
    data, experiment = Path(data), Path(experiment)
    prepare_little_ahead()
    if threads:
        torch.set_num_threads(threads)
    with ExitStack() as stack:
        if world_of(os.environ).leads:
            stack.enter_context(training_lock(experiment))
        admitted = admit(experiment, resume, world_of(os.environ))
        stack.enter_context(deterministic_algorithms(deterministic))
        world, chosen = stack.enter_context(joined(device))
        resume = world.once(lambda: admitted)
        check_batches(config.training.accumulate, world.size)
        units = Units.load(data / "units.txt")
        train, dev, normaliser = load_sets(config, data, units, chosen)
        keep_freed_memory()  # only now: what loading freed is given back
        if world.size > 1:
            world.require_equal("settings, units or utterances", _fingerprint(config, units, train, dev))
        model = _new_model(config, units, chosen, init, world)
        denominator = denominator_for(config, train, units, experiment, resume=resume, world=world)
        trainer = Trainer(config, model, units, train, dev, experiment, chosen, world, denominator)
        resumed = resume and trainer.resume()
        if resume and not resumed:
            LOGGER.info("no checkpoint yet: beginning at update 0")
        if denominator is not None and init is None and not resumed:
            LOGGER.warning("ctc-crf hardly learns from random weights: begin from a model trained with ctc (--init)")
        if world.leads:  # only now: a resume that was refused leaves the folder as it was
            save_config(config, experiment / "config.yaml")
        history = trainer.train(stop_after)
        weights = world.once(lambda: average_weights(trainer.averaged_paths()))
        model.load_state_dict(weights)
        result = validate(model, dev, units, chosen, world, denominator)
        LOGGER.info("average of %d epochs: dev %s %.2f %%", len(trainer.averaged_paths()), units.error_rate, result.wer)
        summary = TrainingSummary(experiment / "model", result, len(history), trainer.progress.step, units.error_rate)
        if world.leads:
            save_model(summary.model, weights, config, units, normaliser, _card(config, data, train, dev, summary))
            dismiss(experiment)
    return summary


def _new_model(
    config: ExperimentConfig, units: Units, device: torch.device, init: str | Path | None, world: World
) -> AcousticModel:
    """A model on its device, with the same weights in all processes."""
    torch.manual_seed(config.seed)
    model = build_model(config, units).to(device)
    if init is not None:
        begin_from(model, init, config, units)
    world.align(model.state_dict().values())
    LOGGER.info("%s: %d weights, %d units, on %s", config.name, model.parameter_count(), len(units), device)
    return model


def _fingerprint(config: ExperimentConfig, units: Units, train: TrainingSet, dev: Examples) -> str:
    """Changes when anything changes that all processes must agree on."""
    digest = hashlib.sha256(config.model_dump_json().encode())
    for part in (units.symbols, [train.identity(), dev.identity()]):
        digest.update("\0".join(part).encode())
    return digest.hexdigest()


def _card(config: ExperimentConfig, data: Path, train: TrainingSet, dev: Examples, summary: TrainingSummary) -> str:
    facts = train.facts()
    return f"""# {config.name}

Bidirectional LSTM acoustic model trained with {config.training.criterion.upper()}; configuration in `config.yaml`,
units in `units.txt`.

* Training data: {data.name}, {facts.utterances} utterances, {facts.seconds / 3600:.2f} h, {facts.speakers} speakers\
{" (synthetic speech)" if facts.synthetic else ""}
* Licence of the data: {config.licence}
* Dev set: {len(dev.utterances)} utterances, greedy {summary.error_rate} {summary.dev.wer:.2f} %,\
 CER {summary.dev.cer:.2f} %
* Seed {config.seed}, {summary.epochs} epochs, {summary.updates} updates
* Command: `asr train --config config.yaml --data {data.name} --exp EXPERIMENT`
"""
