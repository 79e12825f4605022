"""Transcripts in the formats that other programs read."""

from __future__ import annotations

import json
from typing import Literal

from asr.errors import UsageError
from asr.transcribing.transcript import Transcript

Format = Literal["txt", "json"]
FORMATS: tuple[Format, ...] = ("txt", "json")


def check_format(name: str) -> Format:
    """The format called `name`.

    Raises:
        UsageError: there is no such format.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise UsageError("--output-format", f"{name!r} is not a format", f"use {' or '.join(FORMATS)}")


def render(transcript: Transcript, format: Format) -> str:
    """The content of a file in this format, with a final newline."""
    if format == "txt":
        return transcript.text + "\n"
    return json.dumps(transcript.as_dict(), ensure_ascii=False, indent=2) + "\n"


def render_line(transcript: Transcript, format: Format, source: str, alone: bool) -> str:
    """One line for the terminal: the bare text of a lone recording, `source<TAB>text` of several, or a JSON object."""
    if format == "json":
        return json.dumps({"audio": source, **transcript.as_dict()}, ensure_ascii=False) + "\n"
    return transcript.text + "\n" if alone else f"{source}\t{transcript.text}\n"
