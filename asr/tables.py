"""Tables that people make: CSV and TSV of spreadsheets, Common Voice, pandas. Every row is read whole or refused.

What varies is understood: a byte order mark, `sep=;`, commas, semicolons or tabs, quoted fields of any length, any kind
of line end. What would cut a text, lose a row or swallow rows in silence is an error that names the line.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import StringIO
from typing import NamedTuple

from asr.errors import TableError

ID_NAMES = ("id", "utt_id", "utterance_id", "utt", "segment_id")
AUDIO_NAMES = ("audio", "audio_filepath", "path", "file", "file_name", "filename", "wav_filename", "wav", "audio_path")
TEXT_NAMES = ("text", "sentence", "transcription", "transcript", "ref", "reference", "normalized_text")
SPEAKER_NAMES = ("speaker", "speaker_id", "client_id", "spk")
"""What the columns of public corpora and of other tools are called; case does not matter."""
DELIMITERS = {"\t": "tabs", ";": "semicolons", ",": "commas"}
SHOWN = 60
"""Characters of a faulty line that a message shows."""


class Row(NamedTuple):
    """A row: the line on which it begins, counted from 1, and column name -> field."""

    line: int
    fields: dict[str, str]


def read_table(source: str, content: str) -> Iterator[Row]:
    """The rows under a header; rows whose fields are all empty are skipped.

    Tabs separate the columns where the header has any, else whichever of `;` and `,` it has more of, or what a first
    line `sep=X` says. In a table with tabs a quote that does not enclose a whole field is a character like any other
    (Common Voice); with commas and semicolons RFC 4180 holds.

    Args:
        source: the file's name, for messages.
        content: the whole table, decoded.

    Raises:
        TableError: a row has more or fewer fields than the header, a quote is not closed or closes far below, a
            column name comes twice, or there is no header.
    """
    content = content.removeprefix("\ufeff")
    first, delimiter = _declared(content)
    lines = content.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    while first < len(lines) and not lines[first].strip():
        first += 1
    if first == len(lines):
        raise TableError(source, "is an empty table", "begin it with a line of column names, such as id,text")
    delimiter = delimiter or _delimiter(lines[first])
    rows = _literal_rows(lines, first) if delimiter == "\t" else None
    rows = rows if rows is not None else _quoted_rows(source, lines, first, delimiter)
    names = _names(source, *next(rows))
    for line, fields in rows:
        if not any(field.strip() for field in fields):
            continue
        del fields[len(names) + _surplus(fields, names) :]
        if len(fields) != len(names):
            raise _misfit(source, line, len(fields), len(names), lines[line - 1], delimiter)
        yield Row(line, dict(zip(names, fields, strict=True)))


def column(names: Iterable[str], wanted: Sequence[str]) -> str | None:
    """The first of the wanted columns that is there, by its own spelling; case and surrounding blanks do not matter."""
    known = {name.strip().lower(): name for name in names}
    return next((known[name] for name in wanted if name in known), None)


def field(fields: Mapping[str, str], wanted: Sequence[str]) -> str:
    """The field of the first wanted column that is there, or ""."""
    name = column(fields, wanted)
    return fields[name] if name is not None else ""


def _declared(content: str) -> tuple[int, str]:
    """Excel's first line `sep=;`: lines to skip and the delimiter, or 0 and ""."""
    line = content.split("\n", 1)[0].strip("\r\"' ")
    if line.lower().startswith("sep=") and len(line) <= 5:
        return 1, line[4:] or "\t"
    return 0, ""


def _delimiter(header: str) -> str:
    outside = "".join(header.split('"')[::2])
    return "\t" if "\t" in outside else max(";,", key=lambda sign: (outside.count(sign), sign == ","))


def _literal_rows(lines: list[str], first: int) -> Iterator[tuple[int, list[str]]] | None:
    """Rows of a table with tabs, a line each; None when some line does not fit, so that quotes must enclose tabs."""
    rows = [(number, line.split("\t")) for number, line in enumerate(lines[first:], start=first + 1) if line.strip()]
    width = len(rows[0][1])
    if any(len(fields) != width for _, fields in rows) and any('"' in line for line in lines[first:]):
        return None
    return ((number, [_unquoted(field) for field in fields]) for number, fields in rows)


def _unquoted(field: str) -> str:
    """Take off quotes that enclose a whole field, in which quotes are doubled; others stay."""
    if len(field) < 2 or not (field.startswith('"') and field.endswith('"')):
        return field
    inner = field[1:-1].replace('""', "\0")
    return field if '"' in inner else inner.replace("\0", '"')


def _quoted_rows(source: str, lines: list[str], first: int, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Rows by the rules of CSV, which may span lines."""
    csv.field_size_limit(sys.maxsize)  # the transcript of an hour is longer than csv's own limit
    reader = csv.reader(StringIO("\n".join(lines[first:])), delimiter=delimiter, strict=True, skipinitialspace=False)
    begin = first + 1
    width = 0
    while True:
        try:
            fields = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            reason = f"has a quote that is not closed or stands inside a field ({error}): {_shown(lines[begin - 1])}"
            raise TableError(f"{source}:{begin}", f"line {begin} {reason}", 'write each " in a text as ""') from None
        end = first + reader.line_num
        width = width or len(fields)
        if end > begin and width > 1 and all(line.count(delimiter) == width - 1 for line in lines[begin:end]):
            reason = f"line {begin} opens a quote that takes in the lines up to {end}, which look like rows"
            remedy = "close the quote, or put texts of several lines on one line"
            raise TableError(f"{source}:{begin}", reason, remedy)
        if fields:
            yield begin, fields
        begin = end + 1


def _names(source: str, line: int, header: list[str]) -> list[str]:
    """Column names without blanks around them; empty ones at the end, which spreadsheets write, are dropped."""
    names = [name.strip() for name in header]
    while names and not names[-1]:
        names.pop()
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise TableError(f"{source}:{line}", f"names the column {doubled[0]!r} twice", "name each column once")
    return names


def _surplus(fields: list[str], names: list[str]) -> int:
    """Fields beyond the header that hold something."""
    extra = [place for place, field in enumerate(fields[len(names) :], start=1) if field.strip()]
    return extra[-1] if extra else 0


def _misfit(source: str, line: int, found: int, due: int, text: str, delimiter: str) -> TableError:
    kind = DELIMITERS.get(delimiter, repr(delimiter))
    remedy = f"quote texts that hold {kind}" if found > due else f"give every row all columns, separated by {kind}"
    reason = f"line {line} has {found} fields where the header has {due}: {_shown(text)}"
    return TableError(f"{source}:{line}", reason, remedy)


def _shown(line: str) -> str:
    return repr(line if len(line) <= SHOWN else line[: SHOWN - 3] + "...")
