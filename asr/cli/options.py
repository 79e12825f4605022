"""Options that several verbs share, worded once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def log_more(verbose: bool) -> bool:
    """What `--verbose` does, wherever it stands in the command."""
    if verbose:
        from asr.progress import setup_logging

        setup_logging(True)
    return verbose


Model = Annotated[Path, typer.Option(help="Model folder.")]
ModelOrDefault = Annotated[
    str | None, typer.Option("--model", help="Model folder or name (see 'asr models'); english where it is there.")
]
BeamSize = Annotated[
    int | None,
    typer.Option(help="Width of the beam search; 0 decodes greedily; else as the model's configuration.", min=0),
]
LanguageModel = Annotated[
    Path | None, typer.Option("--lm", help="Language-model folder or ARPA file, for the beam search.")
]
Lexicon = Annotated[
    Path | None,
    typer.Option("--lexicon", "--vocabulary", help="File of the only words that may be recognised."),
]
Grammar = Annotated[Path | None, typer.Option(help="File of the only phrases that may be recognised, one a line.")]
Hotwords = Annotated[Path | None, typer.Option(help="File of phrases to boost: PHRASE, or PHRASE<tab>BOOST, a line.")]
Alpha = Annotated[float | None, typer.Option(help="Weight of the language model.", min=0)]
Beta = Annotated[float | None, typer.Option(help="Bonus for each word, natural log.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:N; a GPU where there is one.")]
Jobs = Annotated[
    int, typer.Option("--nj", help="Processes of the beam search; the result is the same for any number.", min=1)
]
Threads = Annotated[int, typer.Option(help="CPU threads; 0 takes all cores.", min=0)]
Verbose = Annotated[bool, typer.Option("--verbose", help="Log more.", callback=log_more)]
