"""`asr train`: an acoustic model from a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from asr.cli.options import Device, Threads

if TYPE_CHECKING:
    from asr.config.experiment import ExperimentConfig


Data = Annotated[Path, typer.Option(help="Folder with train.jsonl, dev.jsonl, units.txt, features/.")]
Config = Annotated[Path | None, typer.Option(help="YAML configuration; defaults otherwise.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="section.key=value, repeatable.")]
Seed = Annotated[int | None, typer.Option(help="Overrides the configuration's seed.", min=0)]
Shards = Annotated[str | None, typer.Option(help="Folder or URL of the training set's tar shards.")]


def train(
    data: Data,
    exp: Annotated[Path, typer.Option(help="Experiment folder: checkpoints, logs, and at the end model/.")],
    config: Config = None,
    settings: Settings = None,
    seed: Seed = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint, if any.")] = False,
    init: Annotated[Path | None, typer.Option(help="Model folder whose fitting weights to begin with.")] = None,
    shards: Shards = None,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same bits on a GPU too; slower.")] = False,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Train a BiLSTM acoustic model with CTC or CTC-CRF, resumable at any moment. 'asr check' asks first."""
    from asr.training.experiment import train_experiment
    from asr.training.processes.world import in_front

    experiment = experiment_of(config, settings, seed, shards)
    summary = train_experiment(
        experiment, data, exp, resume=resume, device=device, threads=threads, init=init, deterministic=deterministic
    )
    if in_front():
        print(
            f"{summary.model}\tdev {summary.error_rate} {summary.dev.wer:.2f} %"
            f"\t{summary.epochs} epochs\t{summary.updates} updates"
        )


def experiment_of(
    config: Path | None, settings: list[str] | None, seed: int | None, shards: str | None
) -> ExperimentConfig:
    """The configuration that the options of a training name."""
    import json

    from asr.config.experiment import load_config

    chosen = [*(settings or []), *([f"seed={seed}"] if seed is not None else [])]
    if shards is not None:
        chosen.append(f"shards.location={json.dumps(shards)}")
    return load_config(config, chosen)


def average(
    weights: Annotated[list[Path], typer.Argument(help="epoch-*.safetensors files of one experiment.")],
    model: Annotated[Path, typer.Option(help="Model folder whose configuration and units to keep.")],
    out: Annotated[Path, typer.Option(help="New model folder.")],
) -> None:
    """Average the weights of several epochs into a new model folder."""
    from asr.training.weights.averaging import average_model

    average_model(weights, model, out)
    print(out)
