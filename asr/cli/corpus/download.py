"""`asr download`: a public corpus onto this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def download(
    name: Annotated[str, typer.Argument(metavar="CORPUS", help="an4, fsdd, yesno or librispeech.")],
    out: Annotated[Path, typer.Option(help="Folder that will hold CORPUS/.")],
    corpus: Annotated[Path | None, typer.Option(help="Where it may lie already; then nothing is downloaded.")] = None,
    subset: Annotated[
        list[str] | None, typer.Option(help="Of LibriSpeech; may be repeated. Default: train-clean-5, dev-clean-2.")
    ] = None,
) -> None:
    """Download a corpus, unless --corpus or $ASR_CORPORA/CORPUS holds it, and print its folder."""
    from asr.corpus.download import MINI_LIBRISPEECH, download_corpus

    typer.echo(download_corpus(name, out, corpus=corpus, subsets=subset or MINI_LIBRISPEECH))
