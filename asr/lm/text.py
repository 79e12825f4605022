"""Sentences for language models, streamed from plain, compressed or piped text and from manifests."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from asr.errors import CorpusError, UsageError
from asr.lm.ngram import LMUnit
from asr.units import SPACE_SYMBOL, Units

Tokenizer = Callable[[str], list[str]]
OPENERS: dict[str, Callable[..., io.TextIOBase]] = {".gz": gzip.open, ".xz": lzma.open, ".bz2": bz2.open}  # type: ignore[dict-item]


def read_lines(source: str | Path) -> Iterator[str]:
    """Lines of a text without their ends; `-` is standard input, `.gz`, `.xz` and `.bz2` are unpacked on the way.

    A `.jsonl` manifest gives the `text` of each utterance.

    Raises:
        CorpusError: missing, cut or undecodable file, or a manifest line without text; names file and line.
    """
    number = 0
    try:
        with _open(source) as stream:
            for number, line in enumerate(stream, start=1):  # noqa: B007 (named in the errors)
                yield _manifest_text(line) if str(source).endswith(".jsonl") else line.rstrip("\r\n")
    except FileNotFoundError:
        raise CorpusError(source, "does not exist", "give a text file, a manifest, or - for standard input") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error, UnicodeDecodeError) as error:
        reason = f"cannot be read after line {number} ({error})"
        raise CorpusError(source, reason, "give UTF-8 text that is whole") from None
    except (ValueError, KeyError, TypeError, AttributeError):
        reason = f"line {number} is not an utterance with a text"
        raise CorpusError(source, reason, "give a manifest with a JSON object a line") from None


def _open(source: str | Path) -> io.TextIOBase:
    if str(source) == "-":
        return io.TextIOWrapper(sys.stdin.buffer, encoding="utf-8")
    opener = OPENERS.get(Path(source).suffix)
    if opener is None:
        return Path(source).open(encoding="utf-8")  # type: ignore[return-value]
    return opener(source, "rt", encoding="utf-8")


def _manifest_text(line: str) -> str:
    text = json.loads(line)["text"]
    return str(text.strip())


def read_sentences(sources: Iterable[str | Path], tokenize: Tokenizer = str.split) -> Iterator[list[str]]:
    """Tokens of every non-empty line of the sources, one after the other."""
    for source in sources:
        for line in read_lines(source):
            tokens = tokenize(line)
            if tokens:
                yield tokens


def tokenizer_for(unit: LMUnit, units: Units | None = None) -> Tokenizer:
    """How a line becomes the words of a language model.

    Args:
        unit: "words" splits at white space; "characters" gives every character, the space as "<space>"; "units"
            spells the line in `units`, whose symbols become the words of the model.
        units: the acoustic model's units, for unit "units" only.

    Raises:
        UsageError: unit "units" without units, or a unit that does not exist.
    """
    if unit == "words":
        return str.split
    if unit == "characters":
        return split_characters
    if unit != "units":
        raise UsageError("--unit", f"there is no unit {unit!r}", "choose words, characters or units")
    if units is None:
        raise UsageError("--unit units", "needs the units to spell with", "give --units units.txt")
    symbols = lm_symbols(units)
    return lambda line: [symbols[index] for index in units.encode(line)]


def split_characters(line: str) -> list[str]:
    """Characters of a line, single spaces between words as "<space>"."""
    return [SPACE_SYMBOL if character == " " else character for character in " ".join(line.split())]


def lm_symbols(units: Units) -> list[str]:
    """Unit id -> the word that stands for it in a language model over units or characters."""
    return [SPACE_SYMBOL if symbol == " " else symbol for symbol in units.symbols]
