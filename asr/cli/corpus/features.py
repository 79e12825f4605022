"""`asr features`: compute the features of a manifest into a store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer


def features(
    manifest: Annotated[Path, typer.Argument(help="JSONL manifest of the utterances.")],
    out: Annotated[Path, typer.Option("--out", help="Folder of the feature store.")],
    config: Annotated[Optional[Path], typer.Option("--config", help="YAML experiment configuration.")] = None,
    settings: Annotated[
        Optional[list[str]], typer.Option("--set", help="section.key=value, over the configuration; repeatable.")
    ] = None,
    speeds: Annotated[
        str,
        typer.Option(
            "--speeds", help="Playing speeds to store, such as 0.9,1.0,1.1; config: those of the configuration."
        ),
    ] = "1.0",
    jobs: Annotated[int, typer.Option("--nj", help="Processes; the result is the same for any number.")] = 1,
    force: Annotated[bool, typer.Option("--force", help="Compute even when the store is up to date.")] = False,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out unreadable utterances, list them, and exit with 1.")
    ] = False,
) -> None:
    """Compute the features of every utterance into a store; done already, it is left as it is."""
    from asr.config.experiment import load_config
    from asr.features.computing import compute_features, speeds_of

    experiment = load_config(config, settings or ())
    # The recorded speed is always there: the first epochs hear nothing else.
    chosen = sorted({1.0, *experiment.augmentation.speeds}) if speeds == "config" else list(speeds_of(speeds))
    summary = compute_features(
        manifest, out, experiment.features, speeds=chosen, jobs=jobs, force=force, skip_bad=skip_bad
    )
    state = "up to date" if summary.up_to_date else "computed"
    typer.echo(f"{out}: {summary.utterances} utterances, {summary.frames} frames, {summary.hours:.2f} h, {state}")
    for line in summary.skipped:
        typer.echo(f"skipped {line}")
    if summary.skipped:
        raise typer.Exit(1)
