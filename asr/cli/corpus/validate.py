"""`asr validate`: what is wrong with a manifest, and how to fix it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def validate(
    manifest: Annotated[Path, typer.Argument(help="JSONL manifest.")],
    against: Annotated[
        Path | None, typer.Option(help="Manifest that must share no speaker or utterance with it, such as train.")
    ] = None,
    units: Annotated[Path | None, typer.Option(help="units.txt that the texts must be spelled with.")] = None,
    frame_seconds: Annotated[float, typer.Option(min=0.001, help="Seconds of one output frame of the model.")] = 0.04,
    same_speakers: Annotated[
        bool, typer.Option("--same-speakers", help="Both manifests share speakers by design: only warn of it.")
    ] = False,
    fix: Annotated[Path | None, typer.Option(help="Write a manifest here without the offences.")] = None,
) -> None:
    """List what is wrong, a line an offence; exit 1 while errors remain."""
    from asr.corpus.validation import fix as fix_manifest
    from asr.corpus.validation import validate as validate_manifest
    from asr.units import Units

    offences = []
    inventory = Units.load(units) if units is not None else None
    found = validate_manifest(
        manifest, against=against, units=inventory, frame_seconds=frame_seconds, same_speakers=same_speakers
    )
    for offence in found:
        typer.echo(f"{'error' if offence.is_error else 'warning'}: {offence}")
        offences.append(offence)
    errors = sum(offence.is_error for offence in offences)
    typer.echo(f"{errors} errors, {len(offences) - errors} warnings")
    if fix is not None:
        counts = fix_manifest(manifest, offences, fix)
        typer.echo(", ".join(f"{count} {what}" for what, count in counts.items()) + f"; written to {fix}")
    elif errors:
        raise typer.Exit(1)
