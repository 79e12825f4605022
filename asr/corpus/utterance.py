"""The unit of work everywhere: one stretch of one recording with its text and speaker."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of speech.

    Attributes:
        id: unique in its manifest; no white space.
        audio: path of the recording, absolute or relative to the manifest's folder (resolved on reading).
        start: where the utterance begins in the recording, in seconds.
        duration: its length in seconds.
        channel: channel of the recording, counted from 0; None mixes all down to mono.
        text: what was said, words separated by single spaces; may be empty.
        speaker: who said it; "" when unknown.
        extra: further manifest fields (condition, accent, ...), kept as they are.
    """

    id: str
    audio: str
    start: float
    duration: float
    channel: int | None = None
    text: str = ""
    speaker: str = ""
    extra: dict[str, str | int | float | bool] = field(default_factory=dict)
