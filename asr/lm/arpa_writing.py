"""Writing language models as ARPA files, plain or packed, a block of n-grams at a time."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import IO, Any

import numpy as np

from asr.files import atomic_write
from asr.lm.tables import NGramTables

BLOCK = 1 << 16


def write_arpa(tables: NGramTables, path: str | Path) -> None:
    """Write a model; a name ending in `.gz`, `.bz2` or `.xz` is packed. The file appears when it is whole."""
    with atomic_write(path, "wb") as raw, _packed(raw, Path(path).suffix) as stream:
        _write(tables, stream)


def _packed(raw: IO[bytes], suffix: str) -> AbstractContextManager[Any]:
    if suffix == ".gz":  # no name and no time in the header: the same model gives the same bytes
        return gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0)
    if suffix == ".bz2":
        return bz2.BZ2File(raw, "wb")
    return lzma.LZMAFile(raw, "wb") if suffix == ".xz" else nullcontext(raw)


def _write(tables: NGramTables, raw: IO[bytes]) -> None:
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=False)
    stream.write("\\data\\\n")
    stream.writelines(f"ngram {order}={len(table)}\n" for order, table in enumerate(tables.orders, start=1))
    for order in range(1, tables.order + 1):
        stream.write(f"\n\\{order}-grams:\n")
        for block in _blocks(tables, order):
            stream.write(block)
    stream.write("\n\\end\\\n")
    stream.detach()


def _blocks(tables: NGramTables, order: int) -> Iterator[str]:
    table = tables.orders[order - 1]
    for start in range(0, len(table), BLOCK):
        span = slice(start, start + BLOCK)
        texts = _texts(tables, order, span)
        scores = table.log_probs[span].tolist()
        if order == tables.order:
            yield "".join([f"{score:.7g}\t{text}\n" for score, text in zip(scores, texts, strict=True)])
        else:
            rows = zip(scores, texts, table.backoffs[span].tolist(), strict=True)
            yield "".join([f"{score:.7g}\t{text}\t{backoff:.7g}\n" for score, text, backoff in rows])


def _texts(tables: NGramTables, order: int, span: slice) -> list[str]:
    """Words of the n-grams; each prefix is spelled once, because rows of one prefix stand together."""
    table = tables.orders[order - 1]
    last = [tables.vocabulary[index] for index in table.words[span].tolist()]
    if order == 1:
        return last
    rows, inverse = np.unique(table.prefixes[span], return_inverse=True)
    columns = []
    for lower in range(order - 1, 0, -1):
        below = tables.orders[lower - 1]
        columns.append([tables.vocabulary[index] for index in below.words[rows].tolist()])
        rows = below.prefixes[rows]
    prefixes = list(map(" ".join, zip(*columns[::-1], strict=True)))
    return [f"{prefixes[index]} {word}" for index, word in zip(inverse.tolist(), last, strict=True)]
