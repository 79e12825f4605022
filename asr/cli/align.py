"""`asr align`: when each word of a known text was said."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Device, Model, Threads


def align(
    manifest: Annotated[Path, typer.Argument(help="Manifest with texts.")],
    model: Model,
    out: Annotated[Path, typer.Option(help="CTM file to write.")],
    features: Annotated[Path | None, typer.Option(help="Feature store; computed from the audio otherwise.")] = None,
    phones: Annotated[
        Path | None,
        typer.Option(help="Of phones: manifest to write with the pronunciation that was said, to train on."),
    ] = None,
    device: Device = None,
    threads: Threads = 0,
) -> None:
    """Align texts with their audio; exit code 1 when an utterance could not be aligned."""
    from asr.transcribing.align_set import align_set
    from asr.transcribing.choosing import DecoderChoice, load_recognizer

    recognizer = load_recognizer(model, DecoderChoice(beam=0), device=device, threads=threads)
    summary = align_set(recognizer, manifest, out, features=features, phones=phones)
    print(f"{out}\t{summary.aligned} utterances\tmean log-probability of a unit {summary.score_per_unit:.4f}")
    raise typer.Exit(1 if summary.failed else 0)
