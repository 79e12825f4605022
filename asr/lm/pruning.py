"""Entropy pruning: dropping the n-grams whose loss changes the model least (Stolcke 1998, "Entropy-based pruning of
backoff language models", equations 3 to 8), with the choices of SRILM's `ngram -prune`.

An n-gram goes when the relative rise of the perplexity stays under the threshold and no longer n-gram needs it as its
context. All quantities come from the unpruned model; back-off weights are computed anew at the end.

Legend: n_k n-grams of order k, m contexts.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable

import numpy as np

from asr.errors import UsageError
from asr.kernels.compile import allocating
from asr.lm.automaton import LOG10, build_model, number_states
from asr.lm.ngram import BEGIN_ID, ngram_step
from asr.lm.tables import NGramTable, NGramTables, select

logger = logging.getLogger("asr")


def prune(tables: NGramTables, threshold: float) -> NGramTables:
    """The model without the n-grams that change its perplexity by less than a share `threshold`.

    Args:
        tables: the model; not changed.
        threshold: for example 1e-8; 0 drops only what changes nothing.

    Raises:
        UsageError: a threshold below 0 or not finite.
    """
    if not (threshold >= 0 and math.isfinite(threshold)):
        raise UsageError("prune", f"threshold is {threshold}", "choose a small positive number such as 1e-8")
    keep = [np.ones(len(table), bool) for table in tables.orders]
    lower = lower_order_probs(tables)
    context_probs = _context_probs(tables)
    for order in range(tables.order, 1, -1):
        needed = np.zeros(len(tables.orders[order - 1]), bool)
        if order < tables.order:
            needed[tables.orders[order].prefixes[keep[order]]] = True
        rise = perplexity_rise(tables, order, lower[order - 1], context_probs[order - 2])
        keep[order - 1] = needed | (rise >= threshold)
    pruned = select(tables, keep)
    recompute_backoffs(pruned)
    before, after = (sum(map(len, model.orders[1:])) for model in (tables, pruned))
    logger.info("pruned %d of %d n-grams longer than a word", before - after, before)
    return pruned


def perplexity_rise(tables: NGramTables, order: int, lower: np.ndarray, context_probs: np.ndarray) -> np.ndarray:
    """Relative change of perplexity if each n-gram of an order were dropped alone: (n_k,).

    Args:
        tables: the model.
        order: 2 or more.
        lower: P(w | h') of each n-gram under the shortened context, (n_k,).
        context_probs: P(h) of each n-gram of order - 1, (n_{k-1},).
    """
    table = tables.orders[order - 1]
    probs = 10.0 ** table.log_probs.astype(np.float64)
    numerators, denominators = _leftover(table, probs, lower, len(context_probs))
    rows = table.prefixes
    old = tables.orders[order - 2].backoffs.astype(np.float64)[rows] * LOG10
    with np.errstate(divide="ignore", invalid="ignore"):
        new = np.log(numerators[rows] + probs) - np.log(denominators[rows] + lower)
        word_term = probs * (np.log(lower) + new - np.log(probs))
        context_term = np.where(numerators[rows] > 0, numerators[rows] * (new - old), 0.0)
        rise: np.ndarray = np.expm1(-context_probs[rows] * (word_term + context_term))
    return np.where(np.isfinite(rise), rise, np.inf)


def recompute_backoffs(tables: NGramTables) -> None:
    """Set every back-off weight to what makes its context sum to one, from short contexts to long, in place."""
    for order in range(2, tables.order + 1):
        contexts = tables.orders[order - 2]
        contexts.backoffs = np.zeros(len(contexts), np.float32)
        shorter = NGramTables(tables.vocabulary, tables.orders[: order - 1], tables.unit)
        table = tables.orders[order - 1]
        lower = _lower_probs(_with_order(shorter, table), [order])[0]
        probs = 10.0 ** table.log_probs.astype(np.float64)
        numerators, denominators = _leftover(table, probs, lower, len(contexts))
        with np.errstate(divide="ignore", invalid="ignore"):
            weights = np.log10(numerators) - np.log10(denominators)
        usable = tables.has_children(order - 1) & np.isfinite(weights)
        contexts.backoffs[usable] = weights[usable]


def lower_order_probs(tables: NGramTables) -> list[np.ndarray]:
    """P(last word | context without its first word) of the n-grams of each order: (n_k,), empty for unigrams."""
    return [np.empty(0), *_lower_probs(tables, range(2, tables.order + 1))]


def _with_order(tables: NGramTables, table: NGramTable) -> NGramTables:
    return NGramTables(tables.vocabulary, [*tables.orders, table], tables.unit)


def _lower_probs(tables: NGramTables, orders: Iterable[int]) -> list[np.ndarray]:
    arrays = build_model(tables).arrays
    states_of, _ = number_states(tables)
    probs = []
    for order in orders:
        table = tables.orders[order - 1]
        shorter = arrays.contexts["backoff_state"][states_of[order - 2][table.prefixes]]
        probs.append(np.asarray(_probs_after(*arrays, shorter, table.words)))
    return probs


@allocating
def _probs_after(
    slots: np.ndarray, unigrams: np.ndarray, contexts: np.ndarray, vocabulary_size: int, states: np.ndarray,
    words: np.ndarray,
) -> np.ndarray:  # fmt: skip
    """P(words[i] | states[i]): (n,) float64."""
    probs = np.empty(words.shape[0])
    for row in range(words.shape[0]):
        log_prob, _ = ngram_step(slots, unigrams, contexts, vocabulary_size, states[row], words[row])
        probs[row] = math.exp(log_prob)
    return probs


def _context_probs(tables: NGramTables) -> list[np.ndarray]:
    """P(h) of every n-gram by the chain rule, the <s> it may begin with being certain: a list of (n_k,)."""
    probs: list[np.ndarray] = []
    for table in tables.orders[:-1]:
        own = 10.0 ** table.log_probs.astype(np.float64)
        if probs:
            own *= probs[-1][table.prefixes]
        else:
            own[BEGIN_ID] = 1.0
        probs.append(own)
    return probs


def _leftover(table: NGramTable, probs: np.ndarray, lower: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray]:
    """Mass that the n-grams of each context leave: under the context and under the shortened one, (m,) each."""
    numerators = 1.0 - np.bincount(table.prefixes, weights=probs, minlength=m)
    denominators = 1.0 - np.bincount(table.prefixes, weights=lower, minlength=m)
    return np.maximum(numerators, 0.0), np.maximum(denominators, 0.0)
