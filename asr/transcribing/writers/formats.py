"""The formats by name: what each is called, its suffix, and its content for a transcript."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, get_args

from asr.errors import UsageError
from asr.transcribing.transcript import Transcript
from asr.transcribing.writers import tables, timed
from asr.transcribing.writers.json import json_line, json_text
from asr.transcribing.writers.subtitles import Layout, srt, vtt

Format = Literal["txt", "srt", "vtt", "tsv", "json", "csv", "ctm", "stm", "textgrid"]
FORMATS: tuple[Format, ...] = get_args(Format)
ALL = "all"
TOLD_APART: tuple[Format, ...] = ("txt", "json", "csv", "ctm", "stm")
"""Formats whose lines say which recording they are about."""


def check_formats(names: str) -> list[Format]:
    """The formats of a list such as "txt,srt"; "all" is every one.

    Raises:
        UsageError: there is no such format.
    """
    chosen: list[Format] = []
    for name in names.split(","):
        known = [known for known in FORMATS if name.strip() in (known, ALL)]
        if not known:
            reason = f"{name.strip()!r} is not a format"
            raise UsageError("--output-format", reason, f"use {', '.join(FORMATS)}, several with commas, or {ALL}")
        chosen += [format for format in known if format not in chosen]
    return chosen


def suffix(format: Format) -> str:
    """The end of a file's name."""
    return ".TextGrid" if format == "textgrid" else f".{format}"


def render(
    transcript: Transcript, format: Format, name: str = "recording", layout: Layout | None = None, words: bool = True
) -> str:
    """The content of a file in this format.

    Args:
        transcript: of one recording.
        format: of the content.
        name: of the recording, for the formats that say it.
        layout: of subtitles.
        words: whether JSON has each word's times.
    """
    return "".join(_pieces(transcript, format, name, layout or Layout(), words))


def render_among(transcript: Transcript, format: Format, source: str, first: bool, words: bool = True) -> str:
    """The lines of one recording among several in one stream; `first` of them.

    Raises:
        UsageError: in this format recordings cannot be told apart.
    """
    if format == "txt":
        return f"{source}\t{transcript.text}\n"
    if format == "json":
        return json_line(transcript, source, words)
    if format == "csv":
        return "".join(tables.csv_rows(transcript.segments, source, header=first))
    if format not in TOLD_APART:
        raise UsageError(
            f"-f {format}", "does not tell several recordings apart", "give a folder for the results: -o DIR"
        )
    return render(transcript, format, source)


def _pieces(transcript: Transcript, format: Format, name: str, layout: Layout, words: bool) -> Iterator[str]:
    segments = transcript.segments
    if format == "txt":
        yield from _lines(transcript)
    elif format == "srt":
        yield from srt(segments, layout)
    elif format == "vtt":
        yield from vtt(segments, layout)
    elif format == "tsv":
        yield from tables.tsv(segments)
    elif format == "csv":
        yield from tables.csv_rows(segments, name)
    elif format == "json":
        yield json_text(transcript, words)
    elif format == "ctm":
        yield from timed.ctm(segments, name)
    elif format == "stm":
        yield from timed.stm(segments, name)
    else:
        yield from timed.textgrid(timed.transcript_tiers(segments), transcript.duration)


def _lines(transcript: Transcript) -> Iterator[str]:
    """A line a segment; of a transcript without segments its text."""
    if not transcript.segments:
        yield transcript.text + "\n"
    for segment in transcript.segments:
        yield segment.text + "\n" if segment.speaker is None else f"[{segment.speaker}]: {segment.text}\n"
