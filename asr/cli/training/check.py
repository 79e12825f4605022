"""`asr check plan|overfit|learning-rate`: what to ask before a training; none of them trains a model to keep."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Device, Threads
from asr.cli.training.train import Config, Data, Seed, Settings, Shards, experiment_of

app = typer.Typer(
    help="Before a training: what it will need, whether it can learn, at which rate.", no_args_is_help=True
)


@app.command("plan")
def plan(
    data: Data,
    exp: Annotated[Path, typer.Option(help="Experiment folder to be; only the free space there is looked at.")] = Path(
        "exp"
    ),
    config: Config = None,
    settings: Settings = None,
    seed: Seed = None,
    shards: Shards = None,
    device: Device = None,
    threads: Threads = 0,
    figures: Annotated[Path | None, typer.Option("--json", help="Write the figures here too.")] = None,
) -> None:
    """Check the data and tell memory, disk and time; exit 1 where training would fail."""
    from asr.training.checks.plan import plan_training
    from asr.training.checks.plan_report import plan_text, write_figures

    told = plan_training(experiment_of(config, settings, seed, shards), data, exp, device=device, threads=threads)
    print(plan_text(told))
    if figures is not None:
        write_figures(told, figures)
    if told.obstacles:
        raise typer.Exit(1)


@app.command("overfit")
def overfit(
    data: Data,
    config: Config = None,
    settings: Settings = None,
    seed: Seed = None,
    shards: Shards = None,
    updates: Annotated[int, typer.Option(help="At most.", min=1)] = 500,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Learn one batch by heart: exit 1, with likely causes, where that fails."""
    from asr.training.checks.overfit import overfit_one_batch

    experiment = experiment_of(config, settings, seed, shards)
    print(overfit_one_batch(experiment, data, updates=updates, device=device, threads=threads).line)


@app.command("learning-rate")
def learning_rate(
    data: Data,
    exp: Annotated[Path, typer.Option(help="Folder for the table and the picture.")],
    config: Config = None,
    settings: Settings = None,
    seed: Seed = None,
    shards: Shards = None,
    updates: Annotated[int, typer.Option(help="One for each rate that is tried.", min=1)] = 100,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Range test: a rising learning rate, its losses, and the peak that they suggest."""
    from asr.training.checks.learning_rate import find_learning_rate

    experiment = experiment_of(config, settings, seed, shards)
    test = find_learning_rate(experiment, data, exp, updates=updates, device=device, threads=threads)
    print(*test.lines(), sep="\n")
