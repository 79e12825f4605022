"""Filling in the contexts that an ARPA file leaves out, without changing what the model says.

Some pruning tools write "a b c" and no "a b". The automaton reaches "a b c" through "a b", so that context is added
with the probability it would have had anyway, P(b | a) by back-off, and no back-off weight of its own.

Legend: m n-grams asked for, n_k n-grams of order k.
"""

from __future__ import annotations

import numpy as np

from asr.decoding.ngram_tables import NGramTable, NGramTables


def add_contexts(tables: NGramTables, ngrams: np.ndarray) -> int:
    """Add those of the n-grams (m, k) of word ids that the tables lack, shorter prefixes too; returns how many."""
    order = ngrams.shape[1]
    missing = np.unique(ngrams[tables.find(ngrams) < 0], axis=0)
    if order == 1 or len(missing) == 0:
        return 0
    added = add_contexts(tables, missing[:, :-1])
    log_probs = backed_off(tables, missing)
    table = tables.orders[order - 1]
    size = len(tables.vocabulary)
    new_keys = tables.find(missing[:, :-1]) * size + missing[:, -1]
    keys = np.concatenate([tables.keys(order), new_keys])
    by_key = np.argsort(keys)
    prefixes, words = np.divmod(keys[by_key], size)
    nothing = np.zeros(len(missing), np.float32)
    tables.orders[order - 1] = NGramTable(
        prefixes=prefixes.astype(np.int32),
        words=words.astype(np.int32),
        log_probs=np.concatenate([table.log_probs, log_probs.astype(np.float32)])[by_key],
        backoffs=np.concatenate([table.backoffs, nothing])[by_key],
    )
    if order < tables.order:
        above = tables.orders[order]
        above.prefixes = np.argsort(by_key)[above.prefixes].astype(np.int32)
    return added + len(missing)


def backed_off(tables: NGramTables, ngrams: np.ndarray) -> np.ndarray:
    """log10 P(last word | the others) of n-grams (m, k) by the back-off rule: (m,) float64."""
    rows = tables.find(ngrams)
    order = ngrams.shape[1]
    log_probs = tables.orders[order - 1].log_probs.astype(np.float64)[rows]
    if order == 1:
        return log_probs
    missing = rows < 0
    if missing.any():
        contexts = tables.find(ngrams[missing, :-1])
        weights = np.where(contexts >= 0, tables.orders[order - 2].backoffs[contexts], 0.0)
        log_probs[missing] = weights + backed_off(tables, ngrams[missing, 1:])
    return log_probs
