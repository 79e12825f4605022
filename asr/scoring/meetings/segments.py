"""Who said what when: SegLST, RTTM, STM and CTM as segments of sessions.

Formats: SegLST of the CHiME challenges (JSON), RTTM of NIST's Rich Transcription, STM and CTM of NIST's SCTK. In a CTM
the second column, the channel, is the speaker, as in MeetEval.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple

from asr.errors import ScoringError, UsageError
from asr.scoring.reading.readers import read_text
from asr.scoring.reading.timed import parse_ctm, parse_stm

FORMATS = ("seglst", "stm", "rttm", "ctm")


class Turn(NamedTuple):
    """What one speaker said without a break; times in seconds, words "" where only who spoke is known."""

    session: str
    speaker: str
    start: float
    end: float
    words: str


def read_turns(path: str | Path, fmt: str | None = None) -> list[Turn]:
    """Read a file of meetings.

    Args:
        path: the file, or "-" for standard input.
        fmt: one of `FORMATS`; None tells it by the suffix (`.json` is SegLST).

    Raises:
        ScoringError: the file or a line of it cannot be read, or a segment ends before it begins.
        UsageError: the format cannot be told or is unknown.
    """
    source, suffix = str(path), Path(path).suffix.lower().lstrip(".")
    fmt = fmt or {"json": "seglst", "seglst": "seglst"}.get(suffix, suffix)
    readers: dict[str, Callable[[str, str], list[Turn]]] = {
        "seglst": _read_seglst, "stm": _read_stm, "rttm": _read_rttm, "ctm": _read_ctm,
    }  # fmt: skip
    if fmt not in readers:
        raise UsageError(source, "is in no format of meetings", f"use {', '.join(FORMATS)}, by suffix or by option")
    turns = readers[fmt](source, read_text(path))
    for turn in turns:
        if not (math.isfinite(turn.start) and math.isfinite(turn.end)) or turn.end < turn.start:
            where = f"{source}: {turn.session} {turn.speaker}"
            raise ScoringError(
                where, f"has a segment from {turn.start} to {turn.end} s", "give the end after the start"
            )
    return turns


def by_session(turns: Iterable[Turn]) -> dict[str, list[Turn]]:
    """Session -> its turns in the order of time; turns that begin together keep their order."""
    sessions: dict[str, list[Turn]] = {}
    for turn in turns:
        sessions.setdefault(turn.session, []).append(turn)
    return {session: sorted(group, key=lambda turn: turn.start) for session, group in sessions.items()}


def by_speaker(turns: Iterable[Turn]) -> dict[str, list[Turn]]:
    """Speaker -> turns, in the order in which they come."""
    speakers: dict[str, list[Turn]] = {}
    for turn in turns:
        speakers.setdefault(turn.speaker, []).append(turn)
    return speakers


def _read_seglst(source: str, content: str) -> list[Turn]:
    try:
        entries = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"{source} line {getattr(error, 'lineno', 1)}"
        raise ScoringError(where, f"is not JSON ({getattr(error, 'msg', error)})", "write a list of segments") from None
    if not isinstance(entries, list):
        raise ScoringError(
            source, "is no list of segments", "write SegLST: a list of objects with session_id, words ..."
        )
    return [_seglst_turn(f"{source} segment {number}", entry) for number, entry in enumerate(entries, start=1)]


def _seglst_turn(where: str, entry: Any) -> Turn:
    try:
        words = entry.get("words", "")
        if not isinstance(words, str):
            raise TypeError("words are no text")
        start, end = float(entry["start_time"]), float(entry["end_time"])
        return Turn(str(entry["session_id"]), str(entry["speaker"]), start, end, words)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = f"cannot be read ({type(error).__name__}: {error})"
        raise ScoringError(where, reason, "give session_id, speaker, start_time, end_time and words") from None


def _read_stm(source: str, content: str) -> list[Turn]:
    segments = parse_stm(source, content)
    return [Turn(s.file, s.speaker, s.start, s.end, s.text) for s in segments if not s.ignored]


def _read_ctm(source: str, content: str) -> list[Turn]:
    tracks = parse_ctm(source, content)
    return [Turn(file, speaker, w.start, w.end, w.text) for (file, speaker), words in tracks.items() for w in words]


def _read_rttm(source: str, content: str) -> list[Turn]:
    """`SPEAKER session channel start duration <NA> <NA> speaker <NA> [<NA>]`; other kinds of lines are passed over."""
    turns = []
    for number, line in enumerate(content.split("\n"), start=1):
        fields = line.split()
        if not fields or line.startswith(";;") or fields[0] != "SPEAKER":
            continue
        try:
            start, duration = float(fields[3]), float(fields[4])
            turns.append(Turn(fields[1], fields[7], start, start + duration, ""))
        except (IndexError, ValueError):
            form = "write 'SPEAKER session channel start duration <NA> <NA> speaker <NA> <NA>'"
            raise ScoringError(f"{source} line {number}", "is no speaker line of an RTTM", form) from None
    return turns
