"""Writing language models as ARPA files, plain or gzip, a block of n-grams at a time."""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from asr.files import atomic_write
from asr.lm.tables import NGramTables

BLOCK = 1 << 16


def write_arpa(tables: NGramTables, path: str | Path) -> None:
    """Write a model; a name ending in `.gz` is packed. The file appears under its name when it is whole."""
    with atomic_write(path, "wb") as raw:
        if not str(path).endswith(".gz"):
            _write(tables, raw)
            return
        # No name and no time in the gzip header: the same model gives the same bytes.
        with gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as packed:
            _write(tables, packed)


def _write(tables: NGramTables, raw: IO[bytes] | gzip.GzipFile) -> None:
    stream = io.TextIOWrapper(raw, encoding="utf-8", newline="\n", write_through=False)  # type: ignore[arg-type]
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
