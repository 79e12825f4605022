"""Writing an evaluation to files: HTML, JSON, alignments and error lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from asr.files import atomic_write
from asr.scoring.evaluate import Evaluation
from asr.scoring.rates.wer import Score
from asr.scoring.report.html import write_html
from asr.scoring.report.json import write_json
from asr.scoring.report.text import dtl, pra


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where to write what; None writes nothing.

    Attributes:
        html: the whole report as one file.
        json: the whole evaluation with the counts of each utterance.
        pra: alignments; with several systems their number is added before the suffix.
        dtl: error lists, named in the same way.
        embed_audio: megabytes of audio that the HTML file may hold.
    """

    html: Path | None = None
    json: Path | None = None
    pra: Path | None = None
    dtl: Path | None = None
    embed_audio: float = 0.0


def write_outputs(evaluation: Evaluation, outputs: Outputs) -> None:
    """Write all files that were asked for."""
    if outputs.json:
        write_json(evaluation, outputs.json)
    if outputs.pra:
        _write_each(evaluation, outputs.pra, pra)
    if outputs.dtl:
        _write_each(evaluation, outputs.dtl, lambda score: [dtl(score)])
    if outputs.html:
        write_html(evaluation, outputs.html, outputs.embed_audio)


def _write_each(evaluation: Evaluation, path: Path, text_of: Callable[[Score], Iterable[str]]) -> None:
    """A file for each system: `x.pra` for one, `x.1.pra` and `x.2.pra` in the order of the command line for two."""
    several = len(evaluation.systems) > 1
    for number, system in enumerate(evaluation.systems, start=1):
        target = path.with_name(f"{path.stem}.{number}{path.suffix}") if several else path
        with atomic_write(target) as stream:
            for part in text_of(system.score):
                stream.write(part + "\n")
