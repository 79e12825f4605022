"""The exact probability of a text: the sum over all its spellings in units and all their paths. T: frames, V: units.

The beam search finds texts, not spellings (see `same_text`); this is the score that it approximates from below. The
spellings of a text are the paths through a lattice: its nodes are the places between letters, its arcs are units.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.paths.log_probs import check_log_probs
from asr.errors import UnitsError
from asr.kernels.compile import allocating
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, WORD_START, Units

Arc = tuple[int, int, int]  # from node, to node, unit


def score_text(log_probs: NDArray[np.floating], text: str, units: Units) -> float:
    """Natural-log CTC probability of a text, however it is spelled; -inf when it does not fit into the frames.

    Args:
        log_probs: (T, V).
        text: words separated by white space.
        units: of the acoustic model; of BPE pieces every cut counts, of characters any number of spaces, of words one.

    Raises:
        DecodingError: bad log-probabilities.
        UnitsError: the text cannot be spelled.
    """
    check_log_probs(log_probs, len(units), "text")
    nodes, arcs = lattice(text, units)
    if nodes > 1 and not arcs:
        raise UnitsError(repr(text), "cannot be spelled in the units", "normalise the text")
    order = sorted(arcs, key=lambda arc: arc[1])
    columns = np.array(order, np.int64).reshape(-1, 3)
    firsts = np.searchsorted(columns[:, 1], np.arange(nodes + 1))
    return float(lattice_score(np.asarray(log_probs, np.float64), nodes, columns, firsts))


def lattice(text: str, units: Units) -> tuple[int, list[Arc]]:
    """Number of nodes, the text runs from the first to the last, and the arcs."""
    words = text.split()
    if units.kind == "bpe":
        return _pieces(WORD_START.join(["", *words]), units)
    tokens = units.encode(text)
    arcs = [(place, place + 1, token) for place, token in enumerate(tokens)]
    if units.space is not None:
        ends = {place + 1 for place, token in enumerate(tokens) if token == units.space} | {0, len(tokens)}
        arcs += [(place, place, units.space) for place in sorted(ends)]
    return len(tokens) + 1, arcs


def _pieces(letters: str, units: Units) -> tuple[int, list[Arc]]:
    """Every cut into pieces; the first word may lack its marker, and a lone marker may be repeated or stand last."""
    pieces = {s: i for i, s in enumerate(units.symbols) if s not in (BLANK_SYMBOL, UNKNOWN_SYMBOL)}
    longest = max(map(len, pieces), default=0)
    arcs = [
        (first, end, pieces[letters[first:end]])
        for first in range(len(letters))
        for end in range(first + 1, min(first + longest, len(letters)) + 1)
        if letters[first:end] in pieces
    ]
    arcs += [(0, end, token) for first, end, token in arcs if first == 1]
    marker = pieces.get(WORD_START)
    if marker is not None:
        markers = [place + 1 for place, letter in enumerate(letters) if letter == WORD_START]
        arcs += [(place, place, marker) for place in [*markers, len(letters)]]
        # After a lone marker the next piece may bring its own.
        arcs += [
            (first + 1, end, token) for first, end, token in arcs if end > first + 1 and letters[first] == WORD_START
        ]
    return len(letters) + 1, sorted(set(arcs))


@allocating
def lattice_score(
    log_probs: NDArray[np.float64], nodes: int, arcs: NDArray[np.int64], firsts: NDArray[np.int64]
) -> float:
    """Sum over all paths through the lattice, by the forward recursion.

    Args:
        log_probs: (T, V).
        nodes: N.
        arcs: (A, 3) sorted by where they end.
        firsts: (N + 1,) the arcs that end in node n are `firsts[n]` to `firsts[n + 1] - 1`.
    """
    count = arcs.shape[0]
    blank = np.zeros(nodes)  # in the node, after a blank
    label = np.zeros(count)  # in the arc's unit
    blank[0] = 1.0
    log_scale = 0.0
    for t in range(log_probs.shape[0]):
        fresh = np.zeros(count)
        for arc in range(count):
            source, token = arcs[arc, 0], arcs[arc, 2]
            mass = label[arc] + blank[source]
            for other in range(firsts[source], firsts[source + 1]):
                if arcs[other, 2] != token:
                    mass += label[other]
            fresh[arc] = mass * np.exp(log_probs[t, token])
        for arc in range(count):
            blank[arcs[arc, 1]] += label[arc]
        blank *= np.exp(log_probs[t, 0])
        label = fresh
        total = blank.sum() + label.sum()
        if total <= 0.0:
            return -np.inf
        blank /= total
        label /= total
        log_scale += np.log(total)
    last = blank[nodes - 1]
    for arc in range(firsts[nodes - 1], firsts[nodes]):
        last += label[arc]
    return np.log(last) + log_scale if last > 0.0 else -np.inf
