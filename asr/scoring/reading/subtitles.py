"""Subtitles and whisper's TSV as transcripts: SubRip, WebVTT, and `start end text` with a row a segment."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable
from pathlib import Path

from asr.scoring.reading.transcripts import Transcripts

TIMES = re.compile(r"^\s*(?:\d+:)?\d+:\d\d[,.]\d+\s+-->\s")
TAGS = re.compile(r"</?(?:[biu]|c|v|ruby|rt|lang|font)\b[^>]*>|\{\\[^}]*\}|<\d[\d:.]*>", re.IGNORECASE)
SPEAKER = re.compile(r"^\s*\[(?:channel \d+|SPEAKER_\d+)\]:\s*")
TABLE_HEADER = "start\tend\ttext"


def is_segment_table(content: str) -> bool:
    """Whether a TSV is whisper's, a row a segment of one recording."""
    return content.split("\n", 1)[0].strip() == TABLE_HEADER


def read_segment_table(transcripts: Transcripts, content: str) -> None:
    """One utterance, named after the file without its suffix, as whisper names the file after the recording."""
    rows = [line.split("\t", 2)[-1] for line in content.splitlines()[1:] if line.count("\t") >= 2]
    transcripts.texts = {Path(transcripts.source).stem: _words(rows)}


def read_subtitles(transcripts: Transcripts, content: str) -> None:
    """One utterance, named after the file without its suffix; tags, speakers and WebVTT's notes are no words.

    In a file in which each word is underlined in turn a subtitle that repeats the words of the one before counts once.
    """
    said: list[str] = []
    in_turn = "<u>" in content
    for block in re.split(r"\n\s*\n", content.replace("\r\n", "\n")):
        lines = block.strip("\n").split("\n")
        place = next((number for number, line in enumerate(lines) if TIMES.match(line)), None)
        if place is None:
            continue  # a header, a style or a note
        text = _words(_plain(line) for line in lines[place + 1 :])
        if not (in_turn and said and said[-1] == text):
            said.append(text)
    transcripts.texts = {Path(transcripts.source).stem: _words(said)}


def _plain(line: str) -> str:
    return html.unescape(SPEAKER.sub("", TAGS.sub("", line)))


def _words(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())
