"""Interpolated modified Kneser-Ney estimation (Chen & Goodman 1998, section 4.1.6 and equation 26), vectorised.

The estimates are those of KenLM's lmplz: discounts from adjusted counts before cut-offs, raw counts for n-grams that
begin with <s>, the unigram level interpolated with the uniform distribution over the vocabulary without <s>, and the
mass of n-grams under a cut-off given to the back-off (Heafield et al. 2013).

Legend: n_k n-grams of order k, V words.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import numpy as np

from asr.errors import UsageError
from asr.lm.counts import NGramCounts, OrderCounts, count_ngrams
from asr.lm.ngram import BEGIN_ID, LMUnit
from asr.lm.tables import NGramTable, NGramTables, select

logger = logging.getLogger("asr")
MAX_ORDER = 6
FALLBACK_DISCOUNTS = (0.0, 0.5, 1.0, 1.5)  # for counts 0, 1, 2, 3 and more; those of lmplz --discount_fallback
NEVER = -99.0  # log10 probability of <s>, which is never predicted


def train_ngrams(
    sentences: Iterable[Sequence[str]], order: int, cutoffs: Sequence[int] = (), unit: LMUnit = "words"
) -> NGramTables:
    """Estimate a language model.

    Args:
        sentences: words of each sentence, without boundary marks.
        order: length of the longest n-grams, 1 to 6.
        cutoffs: for each order, n-grams seen at most this often are dropped; the last one holds for all longer
            orders. Words under the first one become "<unk>".
        unit: what a word is; only recorded in the result.

    Raises:
        UsageError: order or cut-offs out of range.
        DecodingError: empty text, or boundary marks in it.
    """
    if not 1 <= order <= MAX_ORDER:
        raise UsageError("order", f"is {order}", f"choose 1 to {MAX_ORDER}")
    cutoffs = _complete_cutoffs(cutoffs, order)
    counts = count_ngrams(sentences, order, cutoffs[0])
    if len(counts.orders) < order:
        logger.warning("no sentence has %d-grams: the model gets order %d", order, len(counts.orders))
    return estimate(counts, cutoffs, unit)


def _complete_cutoffs(cutoffs: Sequence[int], order: int) -> list[int]:
    completed = list(cutoffs or [0])[:order]
    completed += [completed[-1]] * (order - len(completed))
    if min(completed) < 0 or completed != sorted(completed):
        raise UsageError("cutoffs", f"are {list(cutoffs)}", "give numbers from 0 that do not fall, such as 0,0,1")
    return completed


def estimate(counts: NGramCounts, cutoffs: Sequence[int], unit: LMUnit = "words") -> NGramTables:
    """Probabilities and back-off weights from counts."""
    tables = NGramTables(counts.vocabulary, unit=unit)
    keep, lower = [], np.empty(0)
    for order, table in enumerate(counts.orders, start=1):
        adjusted = adjusted_counts(counts, order)
        discounts = np.asarray(discounts_of(adjusted[adjusted > 0], order))
        kept = table.counts > cutoffs[order - 1] if order > 1 else np.ones(len(table.counts), bool)
        taken = np.where(kept, discounts[np.minimum(adjusted, 3)], adjusted)
        if order == 1:
            probs = _unigram_probs(adjusted, taken)
        else:
            contexts = len(lower)
            totals = np.bincount(table.prefixes, weights=adjusted, minlength=contexts)
            gammas = np.bincount(table.prefixes, weights=taken, minlength=contexts) / np.maximum(totals, 1)
            probs = (adjusted - taken) / totals[table.prefixes] + gammas[table.prefixes] * lower[table.suffixes]
            tables.orders[-1].backoffs = _log10(np.where(totals > 0, gammas, 1.0))
        tables.orders.append(NGramTable(table.prefixes, table.words, _log10(probs), np.zeros(len(probs), np.float32)))
        keep.append(kept)
        lower = probs
    tables.orders[0].log_probs[BEGIN_ID] = NEVER
    return tables if all(kept.all() for kept in keep) else select(tables, keep)


def adjusted_counts(counts: NGramCounts, order: int) -> np.ndarray:
    """How many different words precede an n-gram; its occurrences at the highest order and after <s>: (n_k,)."""
    table: OrderCounts = counts.orders[order - 1]
    adjusted = table.counts
    if order < len(counts.orders):
        continuations = np.bincount(counts.orders[order].suffixes, minlength=len(adjusted))
        adjusted = np.where(table.begins, adjusted, continuations)
    if order == 1:
        adjusted = adjusted.copy()
        adjusted[BEGIN_ID] = 0
    return adjusted


def discounts_of(adjusted: np.ndarray, order: int) -> tuple[float, float, float, float]:
    """Discounts for adjusted counts 0, 1, 2 and 3 or more; fixed ones, with a warning, where they cannot be had."""
    n = np.bincount(np.minimum(adjusted, 5), minlength=6)[:5].astype(float)
    if n[1:4].all():
        share = n[1] / (n[1] + 2 * n[2])
        found = (0.0, *(j - (j + 1) * share * n[j + 1] / n[j] for j in (1, 2, 3)))
        if all(0 <= discount <= j for j, discount in enumerate(found)):
            return found  # type: ignore[return-value]
    logger.warning(
        "too little text to estimate the %d-gram discounts: using %s", order, " ".join(map(str, FALLBACK_DISCOUNTS[1:]))
    )
    return FALLBACK_DISCOUNTS


def _unigram_probs(adjusted: np.ndarray, taken: np.ndarray) -> np.ndarray:
    total = adjusted.sum()
    uniform = 1.0 / (len(adjusted) - 1)
    return np.asarray((adjusted - taken) / total + taken.sum() / total * uniform)


def _log10(probs: np.ndarray) -> np.ndarray:
    return np.log10(np.clip(probs, 1e-99, 1.0)).astype(np.float32)
