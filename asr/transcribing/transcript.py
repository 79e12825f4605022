"""What transcribing a recording gives: text, and segments of words with times in seconds and probabilities."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from asr.decoding.results.hypothesis import Hypothesis
from asr.errors import UsageError


@dataclass(frozen=True, slots=True)
class TranscriptWord:
    """A word of a recording; times in seconds from its start, probability in 0..1."""

    word: str
    start: float
    end: float
    probability: float


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech; `start` and `end` are those of its first and last word."""

    id: int
    start: float
    end: float
    text: str
    words: list[TranscriptWord] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Transcript:
    """One recording's transcript; no segments where nothing was recognised."""

    text: str
    duration: float
    segments: list[Segment] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionaries and lists, ready for JSON."""
        return asdict(self)


def transcript_of(hypothesis: Hypothesis, duration: float) -> Transcript:
    """Turn the best reading of a recording of `duration` seconds into a transcript."""
    words = [
        TranscriptWord(word.text, round(word.start, 3), round(min(word.end, duration), 3), round(word.confidence, 4))
        for word in hypothesis.words
    ]
    if not words:
        return Transcript(hypothesis.text, duration)
    return Transcript(
        hypothesis.text, duration, [Segment(0, words[0].start, words[-1].end, hypothesis.text, words)]
    )  # fmt: skip


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
