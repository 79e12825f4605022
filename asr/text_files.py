"""Opening text that people bring: packed or not, with or without a byte order mark, told by content and not by name."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
from collections.abc import Callable
from pathlib import Path
from typing import IO, cast

MAGIC = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")
OPENERS: dict[str, Callable[..., object]] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open}
REFUSED = {b"\x28\xb5\x2f\xfd": "zstd", b"PK\x03\x04": "zip"}
"""Kinds of files that are known and cannot be read here."""
MOST_MAGIC = 6


def packing(head: bytes) -> str:
    """gzip, bzip2 or xz by the first bytes of a file; "" where it is not packed."""
    return next((name for magic, name in MAGIC.items() if head.startswith(magic)), "")


def open_bytes(source: str | Path) -> IO[bytes]:
    """Open a file, or standard input for "-", and unpack it where its first bytes say that it is packed.

    Raises:
        OSError: the file cannot be opened, or is packed in a way that cannot be read here.
    """
    stream = sys.stdin.buffer if str(source) == "-" else Path(source).open("rb")  # noqa: SIM115 (the caller closes it)
    stream = cast(
        io.BufferedReader, stream if hasattr(stream, "peek") else io.BufferedReader(cast(io.RawIOBase, stream))
    )
    head = stream.peek(MOST_MAGIC)[:MOST_MAGIC]
    refused = next((name for magic, name in REFUSED.items() if head.startswith(magic)), "")
    kind = packing(head)
    if not kind and not refused:
        return stream
    regular = str(source) != "-" and Path(source).is_file()
    if regular:
        stream.close()
    if refused:
        raise OSError(f"it is packed with {refused}; unpack it first")
    # A file is opened anew, so that closing it closes everything; a pipe can be read only once.
    return cast(IO[bytes], OPENERS[kind](source if regular else stream))


def open_text(source: str | Path) -> IO[str]:
    """Open UTF-8 text (UTF-16 where a byte order mark says so) without its mark; line ends are "\\n".

    Raises:
        OSError: as `open_bytes`.
    """
    stream = io.BufferedReader(cast(io.RawIOBase, open_bytes(source)))
    encoding = "utf-16" if stream.peek(2)[:2] in UTF16 else "utf-8-sig"
    return io.TextIOWrapper(stream, encoding=encoding)


def decode(raw: bytes) -> str:
    """UTF-8 (UTF-16 where a byte order mark says so) without its mark.

    Raises:
        UnicodeDecodeError: it is neither.
    """
    return raw.decode("utf-16" if raw[:2] in UTF16 else "utf-8-sig")
