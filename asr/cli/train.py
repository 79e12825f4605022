"""`asr train`: an acoustic model from a data folder."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from asr.config.experiment import ExperimentConfig


def train(
    data: Annotated[Path, typer.Option(help="Folder with train.jsonl, dev.jsonl, units.txt, features/.")],
    exp: Annotated[Path, typer.Option(help="Experiment folder: checkpoints, logs, and at the end model/.")],
    config: Annotated[Path | None, typer.Option(help="YAML configuration; defaults otherwise.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="section.key=value, repeatable.")] = None,
    seed: Annotated[int | None, typer.Option(help="Overrides the configuration's seed.", min=0)] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the newest checkpoint, if any.")] = False,
    init: Annotated[Path | None, typer.Option(help="Model folder whose fitting weights to begin with.")] = None,
    shards: Annotated[str | None, typer.Option(help="Folder or URL of the training set's tar shards.")] = None,
    deterministic: Annotated[bool, typer.Option("--deterministic", help="The same bits on a GPU too; slower.")] = False,
    find_lr: Annotated[bool, typer.Option("--find-lr", help="Range test of learning rates; trains nothing.")] = False,
    overfit_one_batch: Annotated[
        bool, typer.Option("--overfit-one-batch", help="Check that one batch can be learnt by heart; keeps nothing.")
    ] = False,
    updates: Annotated[int | None, typer.Option(help="At most, for these two.  [default: 100 and 500]", min=1)] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N; a GPU where there is one.")] = None,
    threads: Annotated[int, typer.Option(help="CPU threads; 0 takes all cores.", min=0)] = 0,
    plan: Annotated[
        bool,
        typer.Option("--plan", help="Do not train: check the data, tell memory, disk and time; 1 if it would fail."),
    ] = False,
    figures: Annotated[Path | None, typer.Option("--json", help="With --plan: write the figures here too.")] = None,
) -> None:
    """Train a BiLSTM acoustic model with CTC or CTC-CRF, resumable at any moment."""
    import json

    from asr.config.experiment import load_config
    from asr.errors import UsageError

    chosen = [*(settings or []), *([f"seed={seed}"] if seed is not None else [])]
    if shards is not None:
        chosen.append(f"shards.location={json.dumps(shards)}")
    experiment = load_config(config, chosen)
    if find_lr + overfit_one_batch + plan > 1:
        raise UsageError("--find-lr", "--overfit-one-batch and --plan are checks", "do one after the other")
    if plan:
        print_plan(experiment, data, exp, figures, device=device, threads=threads)
        return
    if find_lr:
        from asr.training.checks.learning_rate import find_learning_rate

        test = find_learning_rate(experiment, data, exp, updates=updates or 100, device=device, threads=threads)
        print(*test.lines(), sep="\n")
        return
    if overfit_one_batch:
        from asr.training.checks import overfit

        print(overfit.overfit_one_batch(experiment, data, updates=updates or 500, device=device, threads=threads).line)
        return
    from asr.training.experiment import train_experiment
    from asr.training.processes.world import in_front

    summary = train_experiment(
        experiment, data, exp, resume=resume, device=device, threads=threads, init=init, deterministic=deterministic
    )
    if in_front():
        print(f"{summary.model}\tdev WER {summary.dev.wer:.2f} %\t{summary.epochs} epochs\t{summary.updates} updates")


def print_plan(
    config: ExperimentConfig, data: Path, exp: Path, figures: Path | None, *, device: str | None, threads: int
) -> None:
    """Print what training would need; exit 1 where it would fail."""
    from asr.training.checks.plan import plan_training
    from asr.training.checks.plan_report import plan_text, write_figures

    told = plan_training(config, data, exp, device=device, threads=threads)
    print(plan_text(told))
    if figures is not None:
        write_figures(told, figures)
    if told.obstacles:
        raise typer.Exit(1)


def average(
    weights: Annotated[list[Path], typer.Argument(help="epoch-*.safetensors files of one experiment.")],
    model: Annotated[Path, typer.Option(help="Model folder whose configuration and units to keep.")],
    out: Annotated[Path, typer.Option(help="New model folder.")],
) -> None:
    """Average the weights of several epochs into a new model folder."""
    from asr.training.weights.averaging import average_model

    average_model(weights, model, out)
    print(out)
