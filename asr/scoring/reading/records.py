"""Transcripts held as records: JSONL (ours, NeMo's `text`/`pred_text`, whisper-like `words`) and CSV or TSV."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.reading.transcripts import Side, Transcripts

ID_KEYS = ("id", "utt_id", "utterance_id", "utt", "audio_filepath", "audio", "file")
TEXT_KEYS: dict[Side, tuple[str, ...]] = {
    "ref": ("text", "ref", "reference", "transcript", "sentence"),
    "hyp": ("pred_text", "hyp", "hypothesis", "prediction", "text", "transcript"),
}
WORD_KEYS = ("word", "text")
CONFIDENCE_KEYS = ("confidence", "probability", "conf")
Numbered = tuple[str, dict[str, Any]]
"""Where a record stands ("file line 3") and its fields."""


def json_records(source: str, content: str) -> Iterator[Numbered]:
    """One JSON object a line; blank lines are skipped."""
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{source} line {number}"
        try:
            record = json.loads(line)
        except json.JSONDecodeError as error:
            raise ScoringError(where, f"is not JSON ({error.msg})", "write one JSON object on each line") from error
        if "\\ud" in line.lower():
            _check_surrogates(where, record)
        if not isinstance(record, dict):
            raise ScoringError(where, "is not a JSON object", "write one JSON object on each line")
        yield where, record


def _check_surrogates(where: str, record: object) -> None:
    """Half of a surrogate pair is valid in JSON but is no character that could be written anywhere."""
    try:
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise ScoringError(where, "holds half of a surrogate pair", "write the text as UTF-8") from error


def csv_records(source: str, content: str) -> Iterator[Numbered]:
    """Rows under a header line; tabs separate the columns when the header has one, commas otherwise."""
    header = content.split("\n", 1)[0]
    rows = csv.DictReader(StringIO(content, newline=""), delimiter="\t" if "\t" in header else ",")
    try:
        for row in rows:
            if None in row or None in row.values():
                raise ScoringError(
                    f"{source} line {rows.line_num}",
                    "has more or fewer fields than the header",
                    "quote texts with commas",
                )
            yield f"{source} line {rows.line_num}", {key.strip(): value for key, value in row.items()}
    except csv.Error as error:  # a NUL before Python 3.11, or a field over csv's limit
        raise ScoringError(source, f"is not a table ({error})", "write it as UTF-8 text with quoted fields") from None


def read_records(transcripts: Transcripts, records: Iterable[Numbered], side: Side) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of each record and store its other fields, words and n-best list in `transcripts`."""
    for where, record in records:
        key = _utterance_id(where, record)
        hypotheses = [_text_of(entry) for entry in _list(record.get("nbest"))]
        if hypotheses:
            transcripts.nbest[key] = hypotheses
        words = [_word(where, entry) for entry in _list(record.get("words")) if isinstance(entry, dict)]
        if words:
            transcripts.words[key] = words
        for name, value in record.items():
            if isinstance(value, str | int | float | bool):
                transcripts.fields.setdefault(name, {})[key] = value
        yield key, _text(where, record, side, hypotheses, words)


def _utterance_id(where: str, record: dict[str, Any]) -> str:
    for name in ID_KEYS:
        if record.get(name) not in (None, ""):
            offset = f"-{record['offset']}" if name == "audio_filepath" and "offset" in record else ""
            return str(record[name]) + offset
    raise ScoringError(where, "has no utterance id", f"add a field named {' or '.join(ID_KEYS[:3])}")


def _text(where: str, record: dict[str, Any], side: Side, nbest: list[str], words: list[Word]) -> str:
    for name in TEXT_KEYS[side]:
        if isinstance(record.get(name), str):
            return str(record[name])
    if nbest and side == "hyp":
        return nbest[0]
    if words and side == "hyp":
        return " ".join(word.text for word in words)
    raise ScoringError(where, f"has no text for the {side} side", f"add a field named {' or '.join(TEXT_KEYS[side])}")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text_of(entry: object) -> str:
    return str(entry.get("text", "")) if isinstance(entry, dict) else str(entry)


def _word(where: str, entry: dict[str, Any]) -> Word:
    try:
        text = next(str(entry[name]) for name in WORD_KEYS if name in entry)
        confidence = next((float(entry[name]) for name in CONFIDENCE_KEYS if entry.get(name) is not None), float("nan"))
        return Word(text.strip(), float(entry.get("start") or 0.0), float(entry.get("end") or 0.0), confidence)
    except (StopIteration, TypeError, ValueError) as error:
        raise ScoringError(where, f"has a word that cannot be read: {entry}", "give word, start, end") from error
