"""The denominator of CTC-CRF: every sequence of units, weighted by an n-gram, under the topology of CTC.

Xiang & Ou (2019), "CRF-based single-stage acoustic modeling with CTC topology". Nodes are the histories of the n-gram,
each with the last unit it ends in. Every node has two states of the topology, its unit (which may last) and the blank
after it; a step to an equal unit leaves from the blank alone. The n-gram is taken as it is, back-off included, so that
every sequence of units has a path and the weight of its paths is its probability, neither more nor less.

What keeps it small is that most histories need no arc for what they have not seen. In an interpolated n-gram (as
Kneser-Ney is one) P(c | h) = d(c, h) + b(h) P(c | h'), h' being the history that h backs off to. Where both ways lead
into one node for every continuation seen, h gets arcs of weight d and one of weight b to h', which adds up to the exact
P. Where they do not (the units alone, whose continuations are longer histories), or where h' would no longer know the
last unit, or an n-gram of another make has d < 0, the history gets an arc for every unit.

Legend: H nodes, A arcs, E back-offs, V units (blank = 0), S states of the n-gram (its contexts).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from asr.errors import TrainingError
from asr.kernels.compile import kernel
from asr.lm.ngram import BEGIN, BEGIN_ID, EMPTY, END, END_ID, UNKNOWN, UNKNOWN_ID, NGramModel, ngram_step
from asr.lm.text import lm_symbols
from asr.model.denominator_graph import DenominatorGraph, GraphTensors
from asr.units import Units

MOST_ARCS = 20_000_000  # more take gigabytes and minutes an update
ROUNDING = 1e-6  # share of a probability by which float32 logarithms may make d negative


class Denominator:
    """An n-gram of units made ready for CTC-CRF.

    Args:
        ngram: trained on texts spelled in `units` (`asr lm train --unit units`).
        units: of the acoustic model. Those the n-gram has never seen share the probability of its unknown word.

    Raises:
        TrainingError: the n-gram knows words that are no units, or it needs too many arcs.
    """

    def __init__(self, ngram: NGramModel, units: Units) -> None:
        symbols = lm_symbols(units)
        foreign = sorted(set(ngram.words) - {UNKNOWN, BEGIN, END, *symbols[1:]})
        if foreign:
            raise TrainingError(
                "training.denominator",
                f"is an n-gram of other units than the model's; it knows {' '.join(map(repr, foreign[:5]))}",
                "train it with 'asr lm train --unit units --units units.txt'",
            )
        self.ngram = ngram
        self.words = np.array([ngram.ids.get(symbol, UNKNOWN_ID) for symbol in symbols], np.int64)
        self.words[0] = -1
        unknown = int((self.words == UNKNOWN_ID).sum())
        self.shares = np.where(self.words == UNKNOWN_ID, -math.log(max(1, unknown)), 0.0)
        self.graph = _Builder(ngram, self.words, self.shares).graph()
        self._copies: dict[torch.device, GraphTensors] = {}

    @property
    def histories(self) -> int:
        """Number of nodes, H."""
        return len(self.graph.units)

    @property
    def arcs(self) -> int:
        """Number of weighted arcs between nodes, back-offs included."""
        return len(self.graph.sources) + len(self.graph.longer)

    def describe(self) -> str:
        """Its size in words, for the log."""
        return (
            f"{self.ngram.order}-gram of {int((self.words > END_ID).sum())} units, {self.histories} histories, "
            f"{2 * self.histories - 1} states, {self.arcs} arcs"
        )

    def tensors(self, device: torch.device) -> GraphTensors:
        """The graph on a device, copied there once."""
        if device not in self._copies:
            self._copies[device] = GraphTensors.of(self.graph, device)
        return self._copies[device]

    def log_prior(self, targets: Sequence[Sequence[int]]) -> np.ndarray:
        """Natural log p_LM of each target, its end included: (B,) float64."""
        scores = np.empty(len(targets))
        for row, target in enumerate(targets):
            ids = np.append(self.words[np.asarray(target, np.int64)], END_ID)
            scores[row] = _score(*self.ngram.arrays, self.ngram.start_state, ids)
            scores[row] += self.shares[np.asarray(target, np.int64)].sum()
        return scores


@kernel
def _score(slots, unigrams, contexts, size, state, words):  # type: ignore[no-untyped-def]
    total = 0.0
    for index in range(words.shape[0]):
        log_prob, state = ngram_step(slots, unigrams, contexts, size, state, words[index])
        total += log_prob
    return total


@kernel
def _steps(slots, unigrams, contexts, size, states, words, log_probs, following):  # type: ignore[no-untyped-def]
    """log P(word | state) and the state after it, of each pair."""
    for index in range(words.shape[0]):
        log_probs[index], following[index] = ngram_step(slots, unigrams, contexts, size, states[index], words[index])


class _Builder:
    """Finds the nodes that can be reached from the beginning, and their arcs.

    Args:
        ngram: the n-gram.
        words: (V,) its word for each unit.
        shares: (V,) added to the log-probability of each unit.
    """

    def __init__(self, ngram: NGramModel, words: np.ndarray, shares: np.ndarray) -> None:
        self.ngram, self.words, self.shares = ngram, words, shares
        self.nodes: list[tuple[int, int]] = []  # state of the n-gram and last unit
        self.numbers: dict[tuple[int, int], int] = {}
        self.backoffs: list[tuple[int, int, int]] = []  # state, node, the node that it backs off to
        self.arcs: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []  # nodes, targets and weights
        self._find_explicit()

    def graph(self) -> DenominatorGraph:
        """Follow all arcs from the beginning."""
        self._number(self.ngram.start_state, len(self.words))
        reached = arcs = 0
        while reached < len(self.nodes):
            arcs += self._leave(reached)
            reached += 1
            if arcs > MOST_ARCS:
                raise TrainingError(
                    "training.denominator", f"needs more than {MOST_ARCS:,} arcs",
                    "lower training.denominator_order, or take fewer units",
                )  # fmt: skip
        return self._packed()

    def _find_explicit(self) -> None:
        """The n-grams of each state: where they lead, what they add to backing off; and which states back off."""
        arrays = self.ngram.arrays
        found = arrays.slots[arrays.slots["key"] != EMPTY]
        found = found[np.argsort(found["key"])]
        states, words = np.divmod(found["key"], arrays.vocabulary_size)
        of_units = (words != END_ID) & (words != BEGIN_ID)
        found, states, words = found[of_units], states[of_units], words[of_units]
        contexts = arrays.contexts
        lower, lower_next = self._step(contexts["backoff_state"][states], words)
        whole = np.exp(found["log_prob"].astype(np.float64))
        added = whole - np.exp(contexts["backoff"][states] + lower)
        good = (lower_next == found["next_state"]) & (added >= -ROUNDING * whole) & (words != UNKNOWN_ID)
        self.backs_off = contexts["backoff_state"] != 0
        self.backs_off[self.ngram.start_state] = False
        self.backs_off[states[~good]] = False
        self.first = np.searchsorted(states, np.arange(len(contexts) + 1))
        unit_of = np.zeros(arrays.vocabulary_size, np.int64)
        unit_of[self.words[1:]] = np.arange(1, len(self.words))
        self.explicit = unit_of[words], found["next_state"].astype(np.int64), np.maximum(added, 0.0)

    def _step(self, states: np.ndarray, words: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """log P(word | state) and the state after it, of each pair."""
        log_probs, following = np.empty(len(words)), np.empty(len(words), np.int64)
        _steps(*self.ngram.arrays, states.astype(np.int64), words.astype(np.int64), log_probs, following)
        return log_probs, following

    def _number(self, state: int, unit: int) -> int:
        number = self.numbers.setdefault((state, unit), len(self.nodes))
        if number == len(self.nodes):
            self.nodes.append((state, unit))
        return number

    def _leave(self, node: int) -> int:
        """Add the arcs of a node; returns how many."""
        state, unit = self.nodes[node]
        if self.backs_off[state]:
            own = slice(self.first[state], self.first[state + 1])
            units, following, weights = (column[own] for column in self.explicit)
            shorter = int(self.ngram.arrays.contexts["backoff_state"][state])
            self.backoffs.append((state, node, self._number(shorter, unit)))
        else:
            units = np.arange(1, len(self.words))
            log_probs, following = self._step(np.full(len(units), state), self.words[1:])
            weights = np.exp(log_probs + self.shares[1:])
        targets = [self._number(*pair) for pair in zip(following.tolist(), units.tolist(), strict=True)]
        self.arcs.append((np.full(len(units), node), np.array(targets, np.int64), weights))
        return len(units)

    def _packed(self) -> DenominatorGraph:
        count = len(self.nodes)
        states, units = np.array(self.nodes, np.int64).T
        nodes, targets, weights = (np.concatenate(column) for column in zip(*self.arcs, strict=True))
        rows = np.where(units[nodes] == units[targets], count + nodes, nodes)
        into, leaving = np.lexsort((rows, targets)), np.lexsort((targets, rows))
        edges = sorted(self.backoffs, reverse=True)  # states are numbered by the length of their context
        longer, shorter = (np.array([edge[place] for edge in edges], np.int64) for place in (1, 2))
        backoffs = np.exp(self.ngram.arrays.contexts["backoff"][[edge[0] for edge in edges]].astype(np.float64))
        ends, _ = self._step(states, np.full(count, END_ID))
        return DenominatorGraph(
            units, np.exp(ends),
            np.searchsorted(targets[into], np.arange(count + 1)), rows[into], weights[into],
            np.searchsorted(rows[leaving], np.arange(2 * count + 1)), targets[leaving], weights[leaving],
            longer, shorter, backoffs,
        )  # fmt: skip
