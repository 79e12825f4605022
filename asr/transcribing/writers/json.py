"""JSON with whisper's names: text, segments and words, and beside them what was skipped and which hotwords fired."""

from __future__ import annotations

import json
from typing import Any

from asr.decoding.results.hypothesis import Word
from asr.transcribing.transcript import Segment, Transcript


def plain(transcript: Transcript, words: bool = True) -> dict[str, Any]:
    """Plain dictionaries and lists; `speaker` and `hotwords` are there where they are known."""
    content: dict[str, Any] = {
        "text": transcript.text,
        "duration": transcript.duration,
        "segments": [_segment(segment, words) for segment in transcript.segments],
    }
    if transcript.skipped:
        content["skipped"] = [
            {"start": piece.start, "end": piece.end, "reason": piece.reason} for piece in transcript.skipped
        ]
    if transcript.hotwords is not None:
        content["hotwords"] = transcript.hotwords
    return content


def json_text(transcript: Transcript, words: bool = True) -> str:
    """An indented document with a final newline."""
    return json.dumps(plain(transcript, words), ensure_ascii=False, indent=2) + "\n"


def json_line(transcript: Transcript, source: str, words: bool = True) -> str:
    """One line, with the recording's path as `audio`."""
    return json.dumps({"audio": source, **plain(transcript, words)}, ensure_ascii=False) + "\n"


def _segment(segment: Segment, words: bool) -> dict[str, Any]:
    content: dict[str, Any] = {
        "id": segment.id, "start": segment.start, "end": segment.end, "text": segment.text,
    }  # fmt: skip
    if segment.speaker is not None:
        content["speaker"] = segment.speaker
    if words:
        content["words"] = [_word(word) for word in segment.words]
    return content


def _word(word: Word) -> dict[str, Any]:
    return {"word": word.text, "start": word.start, "end": word.end, "probability": word.confidence}
