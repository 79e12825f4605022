"""`asr score`: error rates of hypotheses against references."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from asr.scoring.rates.alignment import Unit

CONTEXT = {"help_option_names": ["--help"]}
"""`-h` names a hypothesis here, as in sclite, and not the help."""
FORMATS = "trn, kaldi, plain, jsonl, csv, whisper, ctm or stm"


def score(
    ref: Annotated[Path, typer.Option("-r", "--ref", help="References; - is standard input.")],
    hyp: Annotated[list[Path], typer.Option("-h", "--hyp", help="Hypotheses; give it again to compare systems.")],
    cer: Annotated[bool, typer.Option("--cer", help="Count characters instead of words; --unit char.")] = False,
    unit: Annotated[str, typer.Option(help="word, char, or auto: characters of Chinese, Japanese, Thai.")] = "word",
    align: Annotated[bool, typer.Option("--align", help="Print every alignment.")] = False,
    by: Annotated[str, typer.Option(help="Break down by these fields, separated by commas.")] = "",
    ref_format: Annotated[str, typer.Option(help=f"{FORMATS}; else by suffix and content.")] = "",
    hyp_format: Annotated[str, typer.Option(help="The same for the hypotheses.")] = "",
    profile: Annotated[
        str, typer.Option(help="Normalisation: none, basic, a language such as english, or a YAML file.")
    ] = "none",
    costs: Annotated[str, typer.Option(help="Alignment costs: unit (0/1/1/1) or sclite (0/3/3/4).")] = "unit",
    markup: Annotated[
        bool | None, typer.Option(help="Read { a / b } and (word) in references; else only in STM.", show_default=False)
    ] = None,
    manifest: Annotated[Path | None, typer.Option(help="Manifest with speakers, conditions and audio.")] = None,
    speaker_from_id: Annotated[bool, typer.Option(help="The speaker is the id up to the first - or _.")] = False,
    vocabulary: Annotated[Path | None, typer.Option(help="Known words, one a line: counts the unknown ones.")] = None,
    keywords: Annotated[Path | None, typer.Option(help="Keywords, one a line: precision, recall, F.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as one HTML file.")] = None,
    embed_audio: Annotated[float, typer.Option(help="MB of audio in the HTML file (needs --manifest).", min=0)] = 0.0,
    json: Annotated[Path | None, typer.Option(help="Write everything as JSON; - is standard output.")] = None,
    pra: Annotated[Path | None, typer.Option(help="Write the alignments as sclite's .pra does.")] = None,
    dtl: Annotated[Path | None, typer.Option(help="Write the error lists as sclite's .dtl does.")] = None,
    meeting: Annotated[str, typer.Option(help="Score meetings: any of cp,tcp,orc,der; SegLST, STM, CTM, RTTM.")] = "",
    collar: Annotated[float, typer.Option(help="Seconds a word may be off in tcpWER.", min=0)] = 5.0,
    der_collar: Annotated[float, typer.Option(help="Seconds around borders that DER skips.", min=0)] = 0.0,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print a Markdown row a system, nothing else.")] = False,
    fail_above: Annotated[float | None, typer.Option(help="Exit with 1 when a rate in % is higher.")] = None,
    resamples: Annotated[int, typer.Option(help="Draws of the bootstrap.", min=100)] = 2000,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
) -> None:
    """Word or character error rates, how sure they are, what went wrong, and which system is better."""
    from asr.scoring.evaluate import Options, evaluate
    from asr.scoring.report.files import Outputs, check_outputs, write_outputs
    from asr.scoring.report.text import report

    outputs = Outputs(html, json, pra, dtl, embed_audio)
    check_outputs(outputs, [ref, *hyp, *filter(None, (manifest, vocabulary, keywords))], len(hyp) > 1)
    if meeting:
        _score_meeting(ref, hyp, meeting, (collar, der_collar), profile, (ref_format, hyp_format), by, json, fail_above)
        return
    options = Options(
        unit=cast("Unit", "char" if cer else unit),
        costs=costs,
        profile=profile,
        ref_format=ref_format or None,
        hyp_format=hyp_format or None,
        markup=markup,
        by=[name.strip() for name in by.split(",")] if by else None,
        manifest=manifest,
        speaker_from_id=speaker_from_id,
        vocabulary=vocabulary,
        keywords=keywords,
        resamples=resamples,
        seed=seed,
    )
    evaluation = evaluate(ref, hyp, options)
    shown = report(evaluation, align=align, markdown=markdown, breakdowns=bool(by)) if str(json) != "-" else ()
    for text in shown:
        typer.echo(text)
    write_outputs(evaluation, outputs)
    if fail_above is not None and not all(100 * system.score.rate <= fail_above for system in evaluation.systems):
        raise typer.Exit(1)


def _score_meeting(
    ref: Path, hyps: list[Path], meeting: str, collars: tuple[float, float], profile: str, formats: tuple[str, str],
    by: str, json: Path | None, fail_above: float | None,
) -> None:  # fmt: skip
    from asr.errors import UsageError
    from asr.scoring.meetings.evaluate import evaluate_meetings, meeting_data, meeting_report
    from asr.scoring.report.json import write_data

    if len(hyps) > 1:
        raise UsageError("--meeting", "scores one hypothesis file", "give -h once")
    if by not in ("", "session"):
        raise UsageError(f"--by {by}", "is not for meetings", "use --by session")
    measures = [name.strip() for name in meeting.split(",")]
    found = evaluate_meetings(
        ref, hyps[0], measures, collar=collars[0], der_collar=collars[1], profile=profile,
        ref_format=formats[0] or None, hyp_format=formats[1] or None,
    )  # fmt: skip
    for line in meeting_report(found, by == "session") if str(json) != "-" else ():
        typer.echo(line)
    if json:
        write_data(meeting_data(found), json)
    total = found.total
    rates = [part.errors.rate for part in (total.cp, total.tcp) if part] + [p.rate for p in (total.orc, total.der) if p]
    if fail_above is not None and not all(100 * rate <= fail_above for rate in rates):
        raise typer.Exit(1)
