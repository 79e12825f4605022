"""The JSON of whisper and its kin (WhisperX, faster-whisper, whisper.cpp): a recording a file, segments and words."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.reading.records import ID_KEYS
from asr.scoring.reading.transcripts import Transcripts

CONFIDENCES = ("probability", "score", "confidence")


def whisper_document(content: str) -> dict[str, Any] | None:
    """The document where the content is one: an object with a list of segments and no id."""
    if not content.lstrip().startswith("{") or not ('"segments"' in content or '"transcription"' in content):
        return None
    try:
        document = json.loads(content)
    except (json.JSONDecodeError, RecursionError):
        return None  # JSONL, or broken, which its own reader says
    pieces = _pieces(document)
    return None if pieces is None or any(name in document for name in ID_KEYS) else document


def read_whisper(transcripts: Transcripts, document: dict[str, Any]) -> None:
    """One utterance, named after the file without its suffix, as whisper names the file after the recording.

    Raises:
        ScoringError: a segment has no text.
    """
    key, pieces = Path(transcripts.source).stem, _pieces(document) or []
    texts = [piece.get("text") for piece in pieces if isinstance(piece, dict)]
    whole = document.get("text")
    if not isinstance(whole, str):
        if len(texts) != len(pieces) or not all(isinstance(text, str) for text in texts):
            raise ScoringError(transcripts.source, "has a segment without text", "give the JSON that whisper wrote")
        whole = " ".join(map(str, texts))
    transcripts.texts = {key: " ".join(whole.split())}
    words = [word for piece in pieces if isinstance(piece, dict) for word in piece.get("words") or ()]
    try:
        transcripts.words = {key: [_word(word) for word in words]} if words else {}
    except (KeyError, TypeError, ValueError):
        transcripts.words = {}  # numbers that WhisperX could not align have no times; the text counts all the same


def _pieces(document: object) -> list[Any] | None:
    if not isinstance(document, dict):
        return None
    found = document.get("segments", document.get("transcription"))
    return found if isinstance(found, list) else None


def _word(entry: dict[str, Any]) -> Word:
    confidence = next((float(entry[name]) for name in CONFIDENCES if entry.get(name) is not None), float("nan"))
    return Word(str(entry["word"]).strip(), float(entry["start"]), float(entry["end"]), confidence)
