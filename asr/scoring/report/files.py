"""Writing an evaluation to files: HTML, JSON, alignments and error lists."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from asr.errors import UsageError
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
        json: the whole evaluation with the counts of each utterance; "-" is standard output.
        pra: alignments; with several systems their number is added before the suffix.
        dtl: error lists, named in the same way.
        embed_audio: megabytes of audio that the HTML file may hold.
    """

    html: Path | None = None
    json: Path | None = None
    pra: Path | None = None
    dtl: Path | None = None
    embed_audio: float = 0.0


SUFFIXES = {"html": (".html", ".htm"), "json": (".json",), "pra": (".pra",), "dtl": (".dtl",)}


def check_outputs(outputs: Outputs, inputs: Sequence[str | Path], several: bool) -> None:
    """Refuse, before any work, to write over an input or over a file of another kind.

    Args:
        outputs: what will be written.
        inputs: files that are read.
        several: whether each system has a file of its own.

    Raises:
        UsageError: an output is an input, a folder, the same as another output, or a file of another kind.
    """
    read = [Path(path) for path in inputs if str(path) != "-" and Path(path).exists()]
    taken: dict[Path, str] = {}
    for kind, suffixes in SUFFIXES.items():
        path = getattr(outputs, kind)
        if path is None or str(path) == "-":
            continue
        count = len(read) if several and kind in ("pra", "dtl") else 0
        for target in [path, *(_numbered(path, number) for number in range(1, count))]:
            option = f"--{kind} {target}"
            if target.is_dir():
                raise UsageError(option, "is a folder", "name a file in it")
            if target.resolve() in taken:
                raise UsageError(option, f"is also the file of --{taken[target.resolve()]}", "name two files")
            taken[target.resolve()] = kind
            if target.exists() and any(target.samefile(path) for path in read):
                raise UsageError(option, "is an input and would be overwritten", "name another file")
            if target.exists() and target.stat().st_size and target.suffix.lower() not in suffixes:
                raise UsageError(
                    option,
                    f"exists and is no {suffixes[0]} file",
                    f"name a file that ends in {suffixes[0]}, or remove it",
                )


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
        target = _numbered(path, number) if several else path
        with atomic_write(target) as stream:
            for part in text_of(system.score):
                stream.write(part + "\n")


def _numbered(path: Path, number: int) -> Path:
    return path.with_name(f"{path.stem}.{number}{path.suffix}")
