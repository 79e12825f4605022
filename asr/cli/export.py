"""`asr export`: a model folder that decodes with its own language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import LanguageModel, Lexicon, Model


def export(
    model: Model,
    out: Annotated[Path, typer.Option(help="New model folder.")],
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    tuned: Annotated[Path | None, typer.Option(help="Folder that 'asr tune' wrote.")] = None,
    beam_size: Annotated[int, typer.Option(help="Width of the beam search.", min=1)] = 32,
) -> None:
    """Put weights, language model, tuned search and calibration into one model folder."""
    from asr.transcribing.export import export_model

    print(export_model(model, out, lm=lm, lexicon=lexicon, tuned=tuned, beam=beam_size))
