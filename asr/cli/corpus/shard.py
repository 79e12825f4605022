"""`asr shard`: write a corpus as tar shards, verify them, or index what lies there."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def shard(
    manifest: Annotated[Path | None, typer.Argument(help="JSONL manifest to write as shards.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for the shards.")] = None,
    store: Annotated[Path | None, typer.Option(help="Feature store: the shards hold features.")] = None,
    audio: Annotated[str | None, typer.Option(help="flac or opus: the shards hold audio.")] = None,
    rate: Annotated[int, typer.Option(help="Sample rate of audio in Hz.", min=4000)] = 16000,
    shard_mb: Annotated[float, typer.Option(help="A shard ends when it passes this size.", min=0.001)] = 128.0,
    shard_utterances: Annotated[int, typer.Option(help="Or when it holds so many utterances.", min=1)] = 1000,
    seed: Annotated[int, typer.Option(help="Of the random order of utterances.", min=0)] = 1,
    jobs: Annotated[int, typer.Option("--nj", help="Processes that read and encode audio.", min=1)] = 1,
    verify: Annotated[
        str | None, typer.Option("--verify", help="Check the shards of this folder or URL, and exit with 1 for faults.")
    ] = None,
    index: Annotated[Path | None, typer.Option("--index", help="Make the index of the tars in this folder.")] = None,
    units: Annotated[Path | None, typer.Option(help="--verify: units.txt that the texts must be spelled with.")] = None,
    frame_seconds: Annotated[
        float, typer.Option(min=0.001, help="--verify: seconds of one output frame of the model.")
    ] = 0.04,
    config: Annotated[Path | None, typer.Option(help="--index: configuration of the features in the tars.")] = None,
) -> None:
    """Write utterances into tar shards (WebDataset layout) with an index; check them with --verify."""
    from asr.errors import UsageError

    if sum(value is not None for value in (manifest, verify, index)) != 1:
        raise UsageError("asr shard", "takes one of MANIFEST, --verify and --index", "see 'asr shard --help'")
    if verify is not None:
        _verify(verify, units, frame_seconds)
        return
    if index is not None:
        _index(index, config)
        return
    if out is None or audio not in (None, "flac", "opus"):
        raise UsageError("asr shard", "needs --out, and --audio is flac or opus", "see 'asr shard --help'")
    from asr.shards.writing import write_shards

    entry = write_shards(
        str(manifest), out, store=store, audio=audio, sample_rate=rate,  # type: ignore[arg-type]
        megabytes=shard_mb, utterances=shard_utterances, seed=seed, jobs=jobs,
    )  # fmt: skip
    typer.echo(f"{out}: {entry.utterances} utterances, {entry.seconds / 3600:.2f} h, {len(entry.shards)} shards")


def _verify(address: str, units: Path | None, frame_seconds: float) -> None:
    from asr.shards.checking import check_shards
    from asr.units import Units

    faults = 0
    inventory = Units.load(units) if units is not None else None
    for fault in check_shards(address, units=inventory, frame_seconds=frame_seconds):
        typer.echo(str(fault))
        faults += 1
    typer.echo(f"{address}: {faults} faults")
    if faults:
        raise typer.Exit(1)


def _index(folder: Path, config: Path | None) -> None:
    from asr.config.experiment import load_config
    from asr.shards.indexing import index_shards

    entry = index_shards(folder, load_config(config).features if config is not None else None)
    typer.echo(f"{folder}: {entry.utterances} utterances, {entry.seconds / 3600:.2f} h, {len(entry.shards)} shards")
