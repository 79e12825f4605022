"""Reading references and hypotheses: trn, Kaldi text, plain lines, JSONL, CSV, whisper's JSON, CTM, STM, subtitles."""

from __future__ import annotations

import lzma
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Literal, NoReturn, get_args

from asr.errors import ScoringError, UsageError
from asr.scoring.reading.records import csv_records, json_records, read_records
from asr.scoring.reading.subtitles import is_segment_table, read_segment_table, read_subtitles
from asr.scoring.reading.timed import ctm_by_file, parse_ctm, parse_stm
from asr.scoring.reading.transcripts import Side, Transcripts
from asr.scoring.reading.trn import read_trn
from asr.scoring.reading.whisper import read_whisper, whisper_document
from asr.text_files import decode, open_bytes

Format = Literal["trn", "kaldi", "plain", "jsonl", "csv", "whisper", "ctm", "stm", "subtitles", "segments"]
SUFFIXES: dict[str, Format] = {
    ".trn": "trn",
    ".jsonl": "jsonl",
    ".json": "jsonl",
    ".ndjson": "jsonl",
    ".csv": "csv",
    ".tsv": "csv",
    ".ctm": "ctm",
    ".stm": "stm",
    ".srt": "subtitles",
    ".vtt": "subtitles",
}
PACKED = (".gz", ".bz2", ".xz")
SHOWN = 20
"""How many offending ids an error lists."""


def read_transcripts(path: str | Path, side: Side, fmt: str | None = None) -> Transcripts:
    """Read one side of a comparison.

    Args:
        path: the file, or "-" for standard input.
        side: which text of a JSONL or CSV file that holds both is meant.
        fmt: one of `Format`; None tells it from the file's name or content.

    Raises:
        ScoringError: the file cannot be read, a line has no id, or an id occurs twice.
        UsageError: the format is unknown or cannot be told.
    """
    source, content = ("standard input" if str(path) == "-" else str(path)), read_text(path)
    if fmt is not None and fmt not in get_args(Format):
        raise UsageError(f"--{side}-format {fmt}", "is not a format", f"use one of {', '.join(get_args(Format))}")
    fmt = fmt or detect_format(path, content)
    transcripts = Transcripts(source)
    readers: dict[str, Callable[[], None]] = {
        "trn": lambda: _keep(transcripts, read_trn(source, content)),
        "kaldi": lambda: _keep(transcripts, _read_kaldi(content)),
        "plain": lambda: _keep(transcripts, _read_plain(content)),
        "jsonl": lambda: _keep(transcripts, read_records(transcripts, json_records(source, content), side)),
        "csv": lambda: _keep(transcripts, read_records(transcripts, csv_records(source, content), side)),
        "whisper": lambda: read_whisper(transcripts, whisper_document(content) or _no_document(source)),
        "ctm": lambda: _read_ctm(transcripts, content),
        "stm": lambda: _read_stm(transcripts, content),
        "subtitles": lambda: read_subtitles(transcripts, content),
        "segments": lambda: read_segment_table(transcripts, content),
    }
    readers[fmt]()
    return transcripts


def read_text(path: str | Path) -> str:
    """The whole file, unpacked, as UTF-8 text without a byte order mark; "-" is standard input.

    Raises:
        ScoringError: it cannot be read, or is not UTF-8.
    """
    try:
        with open_bytes(path) as stream:
            raw = stream.read()
        return decode(raw)
    except UnicodeDecodeError as error:
        where = raw.count(b"\n", 0, error.start) + 1
        raise ScoringError(path, f"line {where} is not UTF-8", "convert the file with iconv -t UTF-8") from error
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as error:
        reason = f"cannot be read ({getattr(error, 'strerror', None) or error})"
        raise ScoringError(path, reason, "check the name and its permissions") from error


def _no_document(source: str) -> NoReturn:
    raise ScoringError(source, "is not whisper's JSON", "give an object with text and segments")


def detect_format(path: str | Path, content: str) -> Format:
    """The format by suffix, else by the name `text`, else by what the lines look like.

    Raises:
        UsageError: the lines could be Kaldi text as well as plain sentences.
    """
    path = Path(path)
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() not in PACKED]
    if suffixes and suffixes[-1] in SUFFIXES:
        told = SUFFIXES[suffixes[-1]]
        if told == "csv" and is_segment_table(content):
            return "segments"
        return "whisper" if told == "jsonl" and whisper_document(content) else told
    if path.name == "text" or path.suffix == ".text":
        return "kaldi"
    lines = [line for line in content.split("\n") if line.strip() and not line.startswith(";;")]
    if lines and all(line.rstrip().endswith(")") and "(" in line for line in lines):
        return "trn"
    if lines and lines[0].lstrip().startswith(("{", "[{")):
        return "whisper" if whisper_document(content) else "jsonl"
    raise UsageError(
        path,
        "could be Kaldi text or plain sentences",
        f"say which with --ref-format or --hyp-format: {', '.join(get_args(Format))}",
    )


def _keep(transcripts: Transcripts, rows: Iterable[tuple[str, str]]) -> None:
    """Store (id, text) rows, refusing ids that occur twice."""
    pairs = list(rows)
    transcripts.texts = dict(pairs)
    if len(pairs) != len(transcripts.texts):
        doubled = [key for key, times in Counter(key for key, _ in pairs).items() if times > 1]
        raise ScoringError(
            transcripts.source, f"{len(doubled)} doubled ids: {listed(doubled)}", "keep one line for each utterance"
        )


def listed(ids: list[str]) -> str:
    """The first ids of a list, and how many more there are."""
    more = f" and {len(ids) - SHOWN} more" if len(ids) > SHOWN else ""
    return " ".join(ids[:SHOWN]) + more


def _read_kaldi(content: str) -> Iterator[tuple[str, str]]:
    """`utterance-id words`; a line that is only an id is an empty utterance."""
    for line in content.split("\n"):
        key, _, text = line.strip().partition(" ")
        if "\t" in key:
            key, _, rest = key.partition("\t")
            text = f"{rest} {text}"
        if key:
            yield key, text.strip()


def _read_plain(content: str) -> Iterator[tuple[str, str]]:
    """A sentence a line, keyed by line number; an empty line is an empty utterance."""
    lines = content.split("\n")
    if lines[-1] == "":
        lines.pop()
    for number, line in enumerate(lines, start=1):
        yield f"line-{number}", line.strip()


def _read_ctm(transcripts: Transcripts, content: str) -> None:
    """Each file of the CTM is an utterance; its words are put in the order of time."""
    transcripts.tracks = parse_ctm(transcripts.source, content)
    transcripts.words = ctm_by_file(transcripts.tracks)
    transcripts.texts = {key: " ".join(word.text for word in words) for key, words in transcripts.words.items()}


def _read_stm(transcripts: Transcripts, content: str) -> None:
    """Each segment of the STM that is not ignored is an utterance, named by `Segment.id`."""
    transcripts.segments = parse_stm(transcripts.source, content)
    scored = [segment for segment in transcripts.segments if not segment.ignored]
    _keep(transcripts, ((segment.id, segment.text) for segment in scored))
    transcripts.fields = {
        "speaker": {segment.id: segment.speaker for segment in scored},
        "recording": {segment.id: segment.file for segment in scored},
    }
    if any(segment.label for segment in scored):
        transcripts.fields["label"] = {segment.id: segment.label for segment in scored}
