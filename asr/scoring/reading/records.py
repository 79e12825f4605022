"""Transcripts held as records: JSONL (ours, NeMo's `text`/`pred_text`, `words`), lists of objects, CSV and TSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from asr.decoding.results.hypothesis import Word
from asr.errors import ScoringError
from asr.scoring.reading.transcripts import Side, Transcripts
from asr.tables import AUDIO_NAMES, ID_NAMES, TEXT_NAMES, read_table

ID_KEYS = ID_NAMES + AUDIO_NAMES
HYPOTHESIS_KEYS = ("pred_text", "hyp", "hypothesis", "prediction", "predicted", "asr_text")
"""Where any record of a file has one of these, a record without it is an utterance that failed."""
TEXT_KEYS: dict[Side, tuple[str, ...]] = {"ref": TEXT_NAMES, "hyp": HYPOTHESIS_KEYS + TEXT_NAMES}
WORD_KEYS = ("word", "text")
CONFIDENCE_KEYS = ("confidence", "probability", "conf")


class Numbered(NamedTuple):
    """Where a record stands ("file line 3") and its fields."""

    where: str
    fields: Mapping[str, Any]


def json_records(source: str, content: str) -> Iterator[Numbered]:
    """One JSON object a line, blank lines skipped; or one list of objects that may span lines."""
    if content.lstrip().startswith("["):
        yield from _listed_objects(source, content)
        return
    for number, line in enumerate(content.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{source} line {number}"
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            reason = f"is not JSON ({getattr(error, 'msg', error)})"
            raise ScoringError(where, reason, "write one JSON object on each line") from error
        yield _checked(where, record, "\\ud" in line.lower())


def _listed_objects(source: str, content: str) -> Iterator[Numbered]:
    try:
        records = json.loads(content)
    except (json.JSONDecodeError, RecursionError) as error:
        where = f"{source} line {getattr(error, 'lineno', 1)}"
        raise ScoringError(where, f"is not JSON ({getattr(error, 'msg', error)})", "write a list of objects") from error
    for number, record in enumerate(records, start=1):
        yield _checked(f"{source} object {number}", record, True)


def _checked(where: str, record: object, escapes: bool) -> Numbered:
    """A JSON object; half of a surrogate pair is valid in JSON but is no character that could be written anywhere."""
    if not isinstance(record, dict):
        raise ScoringError(where, "is not a JSON object", "write one JSON object on each line")
    if escapes:
        try:
            json.dumps(record, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError as error:
            raise ScoringError(where, "holds half of a surrogate pair", "write the text as UTF-8") from error
    return Numbered(where, record)


def csv_records(source: str, content: str) -> Iterator[Numbered]:
    """The rows of a table; its column names in small letters where they are names that a reader looks for.

    Raises:
        TableError: as `tables.read_table`.
    """
    looked_for = {*ID_KEYS, *TEXT_KEYS["hyp"]}
    for line, fields in read_table(source, content):
        known = {name.lower() if name.lower() in looked_for else name: value for name, value in fields.items()}
        yield Numbered(f"{source} line {line}", known)


def read_records(transcripts: Transcripts, records: Iterable[Numbered], side: Side) -> Iterator[tuple[str, str]]:
    """Yield (id, text) of each record and store its other fields, words and n-best list in `transcripts`.

    All records of a file take their text from the same field. A hypothesis that is null or lacks that field is no
    hypothesis: it is left out and counts as missing, whatever else the record holds.

    Raises:
        ScoringError: a record has no id, or no text where a reference needs one.
    """
    rows: list[tuple[str, Numbered]] = []
    present: set[str] = set()
    for record in records:
        key = _utterance_id(record)
        present.update(record.fields)
        for name, value in record.fields.items():
            if isinstance(value, str | int | float | bool):
                transcripts.fields.setdefault(name, {})[key] = value
        rows.append((key, record))
    names = [name for name in TEXT_KEYS[side] if name in present]
    if side == "hyp" and any(name in HYPOTHESIS_KEYS for name in names):
        names = [name for name in names if name in HYPOTHESIS_KEYS]
    for key, record in rows:
        text = _hypothesis(transcripts, key, record, names) if side == "hyp" else _reference(record, names)
        if text is not None:
            yield key, text


def _utterance_id(record: Numbered) -> str:
    for name in ID_KEYS:
        value = record.fields.get(name)
        if value is None or value == "":
            continue
        if isinstance(value, dict):  # Hugging Face's audio: {"path": ..., "array": ...}
            value = value.get("path")
        if not isinstance(value, str | int | float) or value == "":
            raise ScoringError(record.where, f"has {name} {value!r}, which is no utterance id", "give a text or number")
        offset = f"-{_plain(record.fields['offset'])}" if name == "audio_filepath" and "offset" in record.fields else ""
        return _plain(value) + offset
    if "session_id" in record.fields:
        raise ScoringError(record.where, "is a segment of a meeting (SegLST)", "score it with --meeting cp,tcp,orc")
    remedy = f"add a field named {' or '.join(ID_KEYS[:3])}"
    raise ScoringError(record.where, "has no utterance id", remedy)


def _plain(value: object) -> str:
    """A number as short as it can be, so that 0 and 0.0, and 1.5 and 1.50, are the same id."""
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _reference(record: Numbered, names: list[str]) -> str:
    """The text of the first name that the file has."""
    text = record.fields.get(names[0]) if names else None
    if isinstance(text, str):
        return text
    what = (
        f"{names[0]} that is {json.dumps(text)}" if names and names[0] in record.fields else "no text for the ref side"
    )
    remedy = f"give every record a text in the field {names[0]}" if names else f"add a field named {TEXT_NAMES[0]}"
    raise ScoringError(record.where, f"has {what}", remedy)


def _hypothesis(transcripts: Transcripts, key: str, record: Numbered, names: list[str]) -> str | None:
    """The first text among the names, else the best of the n-best list, else the words; None where there is none."""
    nbest = [_text_of(record.where, entry) for entry in _list(record.fields.get("nbest"))]
    if nbest:
        transcripts.nbest[key] = nbest
    words = [_word(record.where, entry) for entry in _list(record.fields.get("words")) if isinstance(entry, dict)]
    if words:
        transcripts.words[key] = words
    for name in names:
        value = record.fields.get(name)
        if isinstance(value, str):
            return value
        if value is not None:
            raise ScoringError(
                record.where, f"has {name} {str(value)[:40]!r}, which is no text", "give a string or null"
            )
    if any(name in record.fields for name in names):  # null: it failed, whatever its words say
        return None
    if nbest:
        return nbest[0]
    if words:
        return " ".join(word.text for word in words)
    if names:
        return None
    reason = "has no text for the hyp side"
    raise ScoringError(record.where, reason, f"add a field named {' or '.join(HYPOTHESIS_KEYS[:2])} or text")


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text_of(where: str, entry: object) -> str:
    text = entry.get("text") if isinstance(entry, dict) else entry
    if isinstance(text, str):
        return text
    raise ScoringError(where, f"has a reading without text: {str(entry)[:40]}", "give nbest as texts or {'text': ...}")


def _word(where: str, entry: dict[str, Any]) -> Word:
    try:
        text = next(str(entry[name]) for name in WORD_KEYS if name in entry)
        confidence = next((float(entry[name]) for name in CONFIDENCE_KEYS if entry.get(name) is not None), float("nan"))
        return Word(text.strip(), float(entry.get("start") or 0.0), float(entry.get("end") or 0.0), confidence)
    except (StopIteration, TypeError, ValueError) as error:
        raise ScoringError(where, f"has a word that cannot be read: {entry}", "give word, start, end") from error
