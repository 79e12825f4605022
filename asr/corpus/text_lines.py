"""Lines of texts that people bring: plain, packed, piped, or the texts of manifests and tables."""

from __future__ import annotations

import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path

from asr.errors import CorpusError, TableError
from asr.tables import AUDIO_NAMES, ID_NAMES, TEXT_NAMES, column, read_table
from asr.text_files import open_text


def read_lines(source: str | Path) -> Iterator[str]:
    """Lines of a text without their ends; `-` is standard input. What is packed is unpacked, whatever its name.

    Manifests (`.jsonl`, `.json`, or text whose first line is a JSON object) and tables (`.csv`, `.tsv`) give the text
    of each utterance.

    Raises:
        CorpusError: missing, cut or undecodable file, or a manifest line without text; names file and line.
        TableError: a table with rows that do not fit, or a table under a name that does not say so.
    """
    number = 0
    try:
        with open_text(source) as stream:
            kind = _kind(source)
            if kind == "table":
                yield from _table_texts(source, stream.read())
                return
            for number, line in enumerate(stream, start=1):
                if number == 1 and not kind:
                    kind = "manifest" if _is_object(line) else "text"
                    _refuse_table(source, line)
                yield _manifest_text(line) if kind == "manifest" else line.rstrip("\r\n")
    except FileNotFoundError:
        raise CorpusError(source, "does not exist", "give a text file, a manifest, or - for standard input") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeError) as error:
        reason = f"cannot be read after line {number} ({error})"
        raise CorpusError(source, reason, "give UTF-8 text that is whole") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"line {number} is not an utterance with a text"
        raise CorpusError(source, reason, "give a manifest with a JSON object a line") from None


def _kind(source: str | Path) -> str:
    """ "manifest" or "table" where the name says so."""
    suffixes = [suffix.lower() for suffix in Path(source).suffixes if suffix.lower() not in (".gz", ".xz", ".bz2")]
    last = suffixes[-1] if suffixes else ""
    return "manifest" if last in (".jsonl", ".json", ".ndjson") else "table" if last in (".csv", ".tsv") else ""


def _is_object(line: str) -> bool:
    if not line.startswith("{"):
        return False
    try:
        return isinstance(json.loads(line), dict)
    except (ValueError, RecursionError):
        return False


def _refuse_table(source: str | Path, header: str) -> None:
    """Column names would become words, and with them every id and path."""
    for delimiter in ("\t", ";", ","):
        names = header.lower().strip().split(delimiter)
        if column(names, TEXT_NAMES) and column(names, ID_NAMES + AUDIO_NAMES):
            raise TableError(source, f"begins with the column names {header.strip()!r}", "name the table .csv or .tsv")


def _table_texts(source: str | Path, content: str) -> Iterator[str]:
    for row in read_table(str(source), content):
        name = column(row.fields, TEXT_NAMES)
        if name is None:
            raise TableError(source, f"has no column named {', '.join(TEXT_NAMES)}", "name the column of the texts so")
        yield " ".join(row.fields[name].split())


def _manifest_text(line: str) -> str:
    """The text of an utterance; nothing for a blank line."""
    if not line.strip():
        return ""
    text = json.loads(line)["text"]
    return str(text.strip())
