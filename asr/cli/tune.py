"""`asr tune`: choose decoder weights on a development set's cached log-probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from asr.cli.options import Hotwords, LanguageModel, Lexicon


def tune(
    log_probs: Annotated[Path, typer.Argument(help="Cached log-probabilities, as written by 'asr decode'.")],
    ref: Annotated[Path, typer.Option("--ref", "-r", help="Reference transcripts of the same utterances.")],
    out: Annotated[Path, typer.Option(help="Folder for tuning.tsv, tuning.png, tuned.yaml, confidence.json.")],
    lm: LanguageModel = None,
    lexicon: Lexicon = None,
    hotwords: Hotwords = None,
    units: Annotated[Path | None, typer.Option(help="units.txt; else the one that the cache names.")] = None,
    beam_size: Annotated[int, typer.Option(help="Width of the beam search.", min=1)] = 32,
    alphas: Annotated[str, typer.Option(help="Weights to try: FIRST:LAST:STEP, or a list with commas.")] = "0:1.4:0.2",
    betas: Annotated[str, typer.Option(help="Word bonuses to try, in the same form.")] = "-1:3:0.5",
    unknown_penalty: Annotated[float, typer.Option(help="For each unknown word, natural log.", min=0)] = 10.0,
    nj: Annotated[int, typer.Option(help="Processes.", min=1)] = 1,
) -> None:
    """Try weights and pruning thresholds; print the chosen ones and write table, picture and settings."""
    from asr.decoding.tuning.files import tune_files
    from asr.scoring.reading.readers import read_transcripts

    references = read_transcripts(ref, "ref").texts
    report = tune_files(
        log_probs, references, out, lm=lm, lexicon=lexicon, hotwords=hotwords, units=units, beam=beam_size,
        alphas=alphas, betas=betas, unknown_penalty=unknown_penalty, processes=nj,
    )  # fmt: skip
    print(report)
