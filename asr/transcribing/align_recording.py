"""When each segment, word and unit of one recording's known text was said."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any, Literal

import numpy as np

from asr.decoding.paths.alignment import align_text
from asr.decoding.results.hypothesis import Word
from asr.decoding.results.times import UnitSpan
from asr.errors import UsageError
from asr.text_files import open_text
from asr.transcribing.transcript import Cutting, Segment, Transcript, cut_at_pauses, segment_of, tidy_words
from asr.transcribing.writers.formats import render
from asr.transcribing.writers.subtitles import Layout
from asr.transcribing.writers.timed import Tier, textgrid, transcript_tiers, word_intervals
from asr.units import SPACE_SYMBOL, Units

Level = Literal["segment", "word", "unit"]
Format = Literal["ctm", "textgrid", "srt", "vtt", "json"]
FORMATS: tuple[Format, ...] = ("ctm", "textgrid", "srt", "vtt", "json")


@dataclass(frozen=True)
class AlignedRecording:
    """A text in time.

    Attributes:
        transcript: segments and words; a segment is a line of the text, or, of a text in one line, runs to a pause.
        units: of the model, each with its times and highest probability; spaces are shown as "<space>".
        score_per_unit: mean natural-log probability of the best path for each unit; far below that of other
            recordings where the text is not what was said.
    """

    transcript: Transcript
    units: list[Word]
    score_per_unit: float


def align_recording(
    log_probs: np.ndarray,
    text: str,
    units: Units,
    seconds_per_frame: float,
    duration: float,
    subject: str = "text",
    cutting: Cutting | None = None,
) -> AlignedRecording:
    """Align a text with the log-probabilities (T, V) of a recording of `duration` seconds; hours are possible.

    Raises:
        UsageError: there is no text.
        UnitsError: words cannot be spelled in the units; each is named.
        DecodingError: the recording is too short for the text.
    """
    lines = [line.split() for line in text.splitlines() if line.split()]
    if not lines:
        raise UsageError(subject, "holds no words", "give the text that is said in the recording")
    whole = " ".join(" ".join(line) for line in lines)
    alignment = align_text(log_probs, whole, units, seconds_per_frame, subject, scored=False)
    words = tidy_words(alignment.words, duration)
    in_lines = len(lines) > 1 and len(words) == sum(map(len, lines))  # units without a space make one word of all
    segments = _lines(words, lines) if in_lines else cut_at_pauses(words, cutting)
    score = alignment.path_score / max(len(alignment.spans), 1)
    said = tidy_words([_unit(span, units) for span in alignment.spans], duration)
    return AlignedRecording(Transcript(whole, duration, segments), said, score)


def moved(aligned: AlignedRecording, seconds: float) -> AlignedRecording:
    """The same alignment of audio that begins `seconds` into a recording."""
    later = [Word(u.text, round(u.start + seconds, 3), round(u.end + seconds, 3), u.confidence) for u in aligned.units]
    return replace(aligned, transcript=aligned.transcript.moved(seconds), units=later)


def known_text(given: str) -> str:
    """The text of an argument: the content of the file of this name, or the words themselves.

    Raises:
        UsageError: the file is not UTF-8 text, or looks like a file's name and there is no such file.
    """
    path = Path(given)
    if " " not in given and path.suffix and not path.is_file():
        raise UsageError(given, "does not exist", "give a text file, or the words in quotes")
    try:
        if path.is_file():
            with open_text(path) as stream:
                return stream.read()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(given, f"cannot be read as text ({error})", "give a UTF-8 text file") from None
    return given


def render_aligned(aligned: AlignedRecording, format: Format, name: str, level: Level | None = None) -> str:
    """The content of a file.

    Args:
        aligned: the recording.
        format: ctm, textgrid, srt, vtt or json; a TextGrid and JSON hold every level.
        name: of the recording.
        level: what a line of CTM (words when None) or a subtitle (segments when None) is about.

    Raises:
        UsageError: CTM of segments, whose texts have spaces.
    """
    if format == "textgrid":
        tiers: list[Tier] = [*transcript_tiers(aligned.transcript.segments), ("units", word_intervals(aligned.units))]
        return "".join(textgrid(tiers, aligned.transcript.duration))
    if format == "json":
        return json.dumps(_plain(aligned), ensure_ascii=False, indent=2) + "\n"
    if format == "ctm" and level == "segment":
        raise UsageError("--level segment", "is not possible in CTM", "use srt, or words")
    if level == "unit":
        spoken = replace(aligned.transcript, segments=[segment_of(0, aligned.units)] if aligned.units else [])
    else:
        spoken = aligned.transcript
    layout = Layout(max_words_per_line=1) if level in ("word", "unit") else Layout()
    return render(spoken, format, name, layout)


def check_format(name: str) -> Format:
    """The format called `name`.

    Raises:
        UsageError: there is no such format.
    """
    for known in FORMATS:
        if name == known:
            return known
    raise UsageError("--output-format", f"{name!r} is not a format", f"use {', '.join(FORMATS)}")


def _lines(words: Sequence[Word], lines: Sequence[Sequence[str]]) -> list[Segment]:
    """The words of each line as a segment."""
    ends = accumulate(map(len, lines), initial=0)
    return [segment_of(number, words[first:end]) for number, (first, end) in enumerate(pairwise(ends))]


def _unit(span: UnitSpan, units: Units) -> Word:
    symbol = SPACE_SYMBOL if span.unit == units.space else units.symbols[span.unit]
    return Word(symbol, span.start, span.end, min(1.0, float(np.exp(span.log_prob))))


def _plain(aligned: AlignedRecording) -> dict[str, Any]:
    content = aligned.transcript.as_dict()
    content["units"] = [
        {"unit": unit.text, "start": unit.start, "end": unit.end, "probability": unit.confidence}
        for unit in aligned.units
    ]
    content["score_per_unit"] = round(aligned.score_per_unit, 4)
    return content
