"""What one file says about a set of utterances: texts and, where given, speakers, word times, n-best lists."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from asr.decoding.results.hypothesis import Word
from asr.scoring.reading.timed import Segment

Side = Literal["ref", "hyp"]
Value = str | int | float | bool


@dataclass
class Transcripts:
    """The utterances of one file, in its order.

    Attributes:
        source: the file's name, for messages.
        texts: utterance id -> words separated by white space.
        fields: name of a property (speaker, audio, duration, ...) -> utterance id -> its value.
        words: utterance id -> words with times and confidence, where the file has them.
        nbest: utterance id -> texts, best first, where the file has them.
        segments: the segments of an STM, ignored ones too.
        tracks: (file, channel) -> the words of a CTM in the order of time.
    """

    source: str
    texts: dict[str, str] = field(default_factory=dict)
    fields: dict[str, dict[str, Value]] = field(default_factory=dict)
    words: dict[str, list[Word]] = field(default_factory=dict)
    nbest: dict[str, list[str]] = field(default_factory=dict)
    segments: list[Segment] = field(default_factory=list)
    tracks: dict[tuple[str, str], list[Word]] = field(default_factory=dict)

    def column(self, name: str) -> dict[str, str]:
        """Property `name` of every utterance as text; "" where it is missing."""
        values = self.fields.get(name, {})
        return {utterance: str(values.get(utterance, "")) for utterance in self.texts}
