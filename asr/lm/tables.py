"""An n-gram model as plain columns, one table an order: the form that training, ARPA files and pruning share.

Row r of order k is the n-gram "words of row `prefixes[r]` of order k - 1, then `words[r]`". Every prefix of an n-gram
is in the tables; suffixes need not be (entropy pruning may drop them). Rows are sorted by (prefix, word).

Legend: n_k n-grams of order k, V words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from asr.lm.ngram import LMUnit


@dataclass
class NGramTable:
    """The n-grams of one order; back-offs are 0 where the n-gram is no context."""

    prefixes: np.ndarray  # (n_k,) int32 row in the table one order lower; 0 for unigrams
    words: np.ndarray  # (n_k,) int32 last word
    log_probs: np.ndarray  # (n_k,) float32 log10
    backoffs: np.ndarray  # (n_k,) float32 log10

    def __len__(self) -> int:
        """Number of n-grams."""
        return len(self.words)


@dataclass
class NGramTables:
    """All orders of a model. The unigram table has one row a word, in the order of ids."""

    vocabulary: list[str]
    orders: list[NGramTable] = field(default_factory=list)
    unit: LMUnit = "words"

    @property
    def order(self) -> int:
        """Length of the longest n-grams."""
        return len(self.orders)

    def keys(self, order: int) -> np.ndarray:
        """`prefix * V + word` of each n-gram of an order, ascending: (n_k,) int64."""
        table = self.orders[order - 1]
        return table.prefixes.astype(np.int64) * len(self.vocabulary) + table.words

    def find(self, ngrams: np.ndarray) -> np.ndarray:
        """Rows of n-grams given as word ids (m, k); -1 where the tables do not have one: (m,) int64."""
        rows = ngrams[:, 0].astype(np.int64)
        for order in range(2, ngrams.shape[1] + 1):
            rows = find_sorted(self.keys(order), rows, ngrams[:, order - 1], len(self.vocabulary))
        return rows

    def ngrams(self, order: int) -> np.ndarray:
        """Word ids of all n-grams of an order: (n_k, k) int32."""
        rows = np.arange(len(self.orders[order - 1]))
        columns = []
        for lower in range(order, 0, -1):
            table = self.orders[lower - 1]
            columns.append(table.words[rows])
            rows = table.prefixes[rows]
        return np.stack(columns[::-1], axis=1)

    def has_children(self, order: int) -> np.ndarray:
        """Whether each n-gram of an order is the prefix of a longer one: (n_k,) bool."""
        flags = np.zeros(len(self.orders[order - 1]), bool)
        if order < self.order:
            flags[self.orders[order].prefixes] = True
        return flags


def find_sorted(keys: np.ndarray, rows: np.ndarray, words: np.ndarray, vocabulary_size: int) -> np.ndarray:
    """Where `rows * V + words` stand in the ascending `keys`; -1 where absent or where a row is -1 already."""
    if len(keys) == 0:
        return np.full(len(rows), -1, np.int64)
    wanted = rows.astype(np.int64) * vocabulary_size + words
    positions = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where((keys[positions] == wanted) & (rows >= 0), positions, -1)


def select(tables: NGramTables, keep: Sequence[np.ndarray]) -> NGramTables:
    """The n-grams with a true flag; `keep[k - 1]` (n_k,) bool must keep the prefix of whatever it keeps."""
    chosen = NGramTables(tables.vocabulary, unit=tables.unit)
    new_rows = np.zeros(1, np.int32)
    for table, flags in zip(tables.orders, keep, strict=True):
        prefixes = new_rows[table.prefixes[flags]]
        chosen.orders.append(NGramTable(prefixes, table.words[flags], table.log_probs[flags], table.backoffs[flags]))
        new_rows = np.cumsum(flags, dtype=np.int32) - 1
    return chosen
