"""`asr export`: a model folder that decodes with its own language model."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import LanguageModel, Lexicon, Model
from asr.errors import UsageError


def export(
    model: Model,
    out: Annotated[Path | None, typer.Option(help="New model folder; for --onnx the model itself if left out.")] = None,
    onnx: Annotated[bool, typer.Option("--onnx", help="Only graphs for ONNX Runtime, sherpa-onnx, onnx-asr.")] = False,
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    tuned: Annotated[Path | None, typer.Option(help="Folder that 'asr tune' wrote.")] = None,
    beam_size: Annotated[int, typer.Option(help="Width of the beam search.", min=1)] = 32,
) -> None:
    """Put weights, language model, tuned search and calibration into one model folder."""
    if onnx:
        from asr.transcribing.onnx_export import export_onnx

        given = {"--lm": lm, "--lexicon": lexicon, "--tuned": tuned}
        for option in (name for name, value in given.items() if value is not None):
            raise UsageError(option, "has no effect on --onnx", "export a model folder first, then its graphs")
        print(*export_onnx(model, out), sep="\n")
        return
    if out is None:
        raise UsageError("--out", "is missing", "name the new model folder")
    from asr.transcribing.export import export_model

    print(export_model(model, out, lm=lm, lexicon=lexicon, tuned=tuned, beam=beam_size))
