"""What transcribing a recording gives: text, and segments of words with times in seconds and probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from asr.decoding.results.hypothesis import Hypothesis, Word

if TYPE_CHECKING:
    from asr.transcribing.writers.subtitles import Layout


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of speech between pauses.

    Attributes:
        id: counted from 0 in the recording.
        start: of its first word, seconds from the beginning of the recording.
        end: of its last word.
        text: words separated by single spaces.
        words: with times and confidence.
        speaker: who spoke, where that is known: "channel 0" of a recording whose channels were transcribed apart.
    """

    id: int
    start: float
    end: float
    text: str
    words: list[Word] = field(default_factory=list)
    speaker: str | None = None


@dataclass(frozen=True, slots=True)
class Skipped:
    """A stretch of the recording, in seconds, that was not transcribed, and why ("silence", "unreadable", ...)."""

    start: float
    end: float
    reason: str


@dataclass(frozen=True, slots=True)
class Cutting:
    """Where a segment ends: at a pause longer than `pause`, and before it lasts longer than `longest`; in seconds."""

    pause: float = 0.8
    longest: float = 20.0


@dataclass(frozen=True, slots=True)
class Transcript:
    """One recording's transcript; no segments where nothing was recognised.

    Attributes:
        text: all words, separated by single spaces.
        duration: of what was transcribed, seconds.
        segments: in the order of time.
        skipped: stretches that were not transcribed, in the order of time.
        hotwords: phrase -> how often it occurs, of those that were asked for; None without any.
    """

    text: str
    duration: float
    segments: list[Segment] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    hotwords: dict[str, int] | None = None

    def as_dict(self, words: bool = True) -> dict[str, Any]:
        """Plain dictionaries and lists with whisper's names, ready for JSON; `words` asks for each word's times."""
        from asr.transcribing.writers.json import plain

        return plain(self, words)

    def to_json(self, words: bool = True) -> str:
        """The content of a `.json` file."""
        from asr.transcribing.writers.json import json_text

        return json_text(self, words)

    def to_txt(self) -> str:
        """A line a segment."""
        from asr.transcribing.writers.formats import render

        return render(self, "txt")

    def to_srt(self, layout: Layout | None = None) -> str:
        """SubRip subtitles; `layout` says how long lines and subtitles may be."""
        from asr.transcribing.writers.formats import render

        return render(self, "srt", layout=layout)

    def to_vtt(self, layout: Layout | None = None) -> str:
        """WebVTT subtitles."""
        from asr.transcribing.writers.formats import render

        return render(self, "vtt", layout=layout)

    def moved(self, seconds: float) -> Transcript:
        """The same transcript of audio that begins `seconds` into a recording."""
        return replace(
            self,
            segments=[_moved(segment, seconds) for segment in self.segments],
            skipped=[Skipped(_sum(s.start, seconds), _sum(s.end, seconds), s.reason) for s in self.skipped],
        )


def transcript_of(
    hypothesis: Hypothesis, duration: float, cutting: Cutting | None = None, skipped: Sequence[Skipped] = ()
) -> Transcript:
    """Turn the best reading of a recording of `duration` seconds into a transcript."""
    segments = cut_at_pauses(tidy_words(hypothesis.words, duration), cutting)
    return Transcript(hypothesis.text, duration, segments, list(skipped))


def tidy_words(words: Sequence[Word], duration: float) -> list[Word]:
    """The words with times in whole milliseconds that do not overlap and end with the recording."""
    tidy: list[Word] = []
    earliest = 0.0
    for word in words:
        start = round(min(max(word.start, earliest), duration), 3)
        end = round(max(min(word.end, duration), start), 3)
        tidy.append(Word(word.text, start, end, round(word.confidence, 4)))
        earliest = end
    return tidy


def cut_at_pauses(words: Sequence[Word], cutting: Cutting | None = None) -> list[Segment]:
    """Cut words at long pauses; a stretch that lasts too long is cut at its longest pause, the last of equal ones.

    A segment longer than `cutting.longest` is a single word.
    """
    cutting = cutting or Cutting()
    pieces: list[list[Word]] = []
    held: list[Word] = []
    for word in words:
        if held and word.start - held[-1].end > cutting.pause:
            pieces.append(held)
            held = []
        held.append(word)
        while len(held) > 1 and held[-1].end - held[0].start > cutting.longest:
            pauses = [after.start - before.end for before, after in pairwise(held)]
            place = max(range(len(pauses)), key=lambda index: (pauses[index], index)) + 1
            pieces.append(held[:place])
            held = held[place:]
    if held:
        pieces.append(held)
    return [segment_of(number, piece) for number, piece in enumerate(pieces)]


def segment_of(number: int, words: Sequence[Word], speaker: str | None = None) -> Segment:
    """The segment of these words, at least one."""
    return Segment(
        number, words[0].start, words[-1].end, " ".join(word.text for word in words), list(words), speaker
    )  # fmt: skip


def merged(transcripts: dict[str, Transcript]) -> Transcript:
    """One timeline of several transcripts of a recording, the speaker (or channel) of each as the key."""
    segments = sorted(
        (replace(segment, speaker=speaker) for speaker, one in transcripts.items() for segment in one.segments),
        key=lambda segment: (segment.start, segment.end),
    )
    hotwords: dict[str, int] = {}
    for one in transcripts.values():
        for phrase, count in (one.hotwords or {}).items():
            hotwords[phrase] = hotwords.get(phrase, 0) + count
    return Transcript(
        " ".join(segment.text for segment in segments),
        max((one.duration for one in transcripts.values()), default=0.0),
        [replace(segment, id=number) for number, segment in enumerate(segments)],
        [
            Skipped(piece.start, piece.end, f"{piece.reason} ({speaker})")
            for speaker, one in transcripts.items()
            for piece in one.skipped
        ],
        None if all(one.hotwords is None for one in transcripts.values()) else hotwords,
    )


def joined(parts: Sequence[Transcript], duration: float) -> Transcript:
    """One transcript of parts that follow each other, their times in the recording already; see `Transcript.moved`."""
    segments = [segment for part in parts for segment in part.segments]
    return Transcript(
        " ".join(part.text for part in parts if part.text),
        duration,
        [replace(segment, id=number) for number, segment in enumerate(segments)],
        [skipped for part in parts for skipped in part.skipped],
    )


def _moved(segment: Segment, seconds: float) -> Segment:
    words = [Word(w.text, _sum(w.start, seconds), _sum(w.end, seconds), w.confidence) for w in segment.words]
    return replace(segment, start=_sum(segment.start, seconds), end=_sum(segment.end, seconds), words=words)


def _sum(time: float, seconds: float) -> float:
    return round(time + seconds, 3)
