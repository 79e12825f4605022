"""`asr convert`: a manifest for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    manifest: Annotated[Path, typer.Argument(help="JSONL manifest.")],
    to: Annotated[str, typer.Option(help="kaldi (a data directory) or nemo (a JSONL file).")],
    out: Annotated[Path, typer.Option(help="The directory or file to write.")],
) -> None:
    """Write a manifest as a Kaldi data directory or a NeMo manifest; `asr prepare` reads both."""
    from asr.corpus.preparation import export

    typer.echo(f"{export(manifest, to, out)} utterances")
