"""`asr score`: error rates of hypotheses against references."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

CONTEXT = {"help_option_names": ["--help"]}
"""`-h` names a hypothesis here, as in sclite, and not the help."""


def score(
    ref: Annotated[Path, typer.Option("-r", "--ref", help="References; - is standard input.")],
    hyp: Annotated[list[Path], typer.Option("-h", "--hyp", help="Hypotheses; give it again to compare systems.")],
    cer: Annotated[bool, typer.Option("--cer", help="Count characters instead of words.")] = False,
    ref_format: Annotated[str | None, typer.Option(help="trn, kaldi, plain, jsonl, csv, ctm or stm.")] = None,
    hyp_format: Annotated[str | None, typer.Option(help="The same for the hypotheses.")] = None,
    profile: Annotated[str, typer.Option(help="Text normalisation: none, basic, english or a YAML file.")] = "none",
    costs: Annotated[str, typer.Option(help="Alignment costs: unit (0/1/1/1) or sclite (0/3/3/4).")] = "unit",
    fail_above: Annotated[float | None, typer.Option(help="Exit with 1 when the rate in % is higher.")] = None,
    nj: Annotated[int, typer.Option("--nj", help="Processes.", min=1)] = 1,
) -> None:
    """Word or character error rates, their uncertainty, and what went wrong."""
    from asr.scoring.readers import read_transcripts
    from asr.scoring.report_text import rate_name, wer_line
    from asr.scoring.wer import score as compare

    refs = read_transcripts(ref, "ref", ref_format)
    worst = 0.0
    for path in hyp:
        hyps = read_transcripts(path, "hyp", hyp_format)
        result = compare(
            refs.texts, hyps.texts, unit="char" if cer else "word", costs=costs, profile=profile, name=str(path), nj=nj
        )
        worst = max(worst, 100 * result.rate)
        typer.echo(wer_line(result.totals, rate_name(result)))
    if fail_above is not None and worst > fail_above:
        raise typer.Exit(1)
