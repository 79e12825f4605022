"""The compiled beam search as Python calls it: every function takes the address of its `Search` and little else.

T: frames, V: units, B: beam width, N: nodes, R: readings, L: units of a reading.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import typeof
from numpy.typing import NDArray

from asr.decoding.knowledge import prefixes as prefix_tree
from asr.decoding.knowledge.endings import final_gain
from asr.decoding.knowledge.tables import no_knowledge
from asr.decoding.search import ending as beam_finish
from asr.decoding.search import frame as beam_kernel
from asr.decoding.search.pinned import read_only, reader_of
from asr.decoding.search.workspace import Search, Settings, make_workspace
from asr.kernels.compile import allocating, kernel

SEARCH_TYPE = typeof(Search(make_workspace(1, 1, 1), read_only(no_knowledge(1)), Settings(1, 0.0, 0.0, 0.0, 0)))
search_at = reader_of(SEARCH_TYPE)


class Traced(NamedTuple):
    """Readings one after the other; that with number r ends at `ends[r]`, in L units altogether.

    Attributes:
        tokens: (L,).
        words: (L,) lexicon word that the arc into each token finished, or NONE.
        variants: (L,) variant of each arc.
        ends: (R,).
        log_gains: (R,) natural log of the product of the arcs' factors.
        lm_scores: (R,) natural log of the language model's probability.
    """

    tokens: NDArray[np.int32]
    words: NDArray[np.int32]
    variants: NDArray[np.int32]
    ends: NDArray[np.int64]
    log_gains: NDArray[np.float64]
    lm_scores: NDArray[np.float64]


@kernel
def advance(address: int, log_probs: NDArray[np.float32], first: int, at_once: bool) -> tuple[int, int]:
    """Go on through a block (T, V) from frame `first`.

    Args:
        at_once: the block is a whole utterance, to be started, and its best reading found and put in the workspace if T
            is reached. Every call from Python has to read its tables, so this is cheaper than three of them.

    Returns:
        As `beam_kernel.advance`.
    """
    search = search_at(address)
    if at_once:
        beam_kernel.start(search.ws, search.fusion)
    frame, why = beam_kernel.advance(search.ws, search.fusion, search.settings, log_probs, first)
    if at_once and frame == log_probs.shape[0]:
        beam_finish.find_best(search.ws, search.fusion)
    return frame, why


@kernel
def begin(address: int) -> None:
    """Forget what was searched before, and start an utterance."""
    search = search_at(address)
    beam_kernel.start(search.ws, search.fusion)


@kernel
def find_best(address: int) -> None:
    """Write the best reading, if the utterance ends here, to the workspace."""
    search = search_at(address)
    beam_finish.find_best(search.ws, search.fusion)


@kernel
def ending(address: int, node: int) -> tuple[float, int]:
    """Factor of ending the utterance in a prefix, and the lexicon word that this finishes."""
    search = search_at(address)
    return final_gain(search.fusion, search.ws.tree, node, 1)


@allocating
def endings(
    address: int,
) -> tuple[beam_finish.Floats, beam_finish.Ints, beam_finish.Floats, beam_finish.Ints, beam_finish.Ints]:
    """All ways to end: see `beam_finish.endings`."""
    search = search_at(address)
    return beam_finish.endings(search.ws, search.fusion)


@allocating
def trace(address: int, leaves: NDArray[np.int32], last_words: NDArray[np.int32]) -> Traced:
    """Read prefixes.

    Args:
        leaves: (R,) node of each.
        last_words: (R,) lexicon word that ends with the utterance, or NONE.

    Returns:
        See `Traced`.
    """
    search = search_at(address)
    each = [prefix_tree.trace(search.ws.tree, leaf) for leaf in leaves]
    ends = np.cumsum(np.array([len(arcs[0]) for arcs in each], np.int64))
    total = ends[-1] if len(ends) else 0
    tokens, words, variants = np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.int32)
    log_gains, lm_scores = np.empty(len(each), np.float64), np.empty(len(each), np.float64)
    for reading, arcs in enumerate(each):
        place = slice(ends[reading] - len(arcs[0]), ends[reading])
        tokens[place], words[place], variants[place] = arcs[0], arcs[1], arcs[2]
        log_gains[reading] = arcs[3]
        lm_scores[reading] = beam_finish.lm_score_of(search.ws, search.fusion, leaves[reading], last_words[reading])
    return Traced(tokens, words, variants, ends, log_gains, lm_scores)


@allocating
def save(
    address: int,
) -> tuple[NDArray[np.void], NDArray[np.void], beam_finish.Floats, beam_finish.Floats, float]:
    """Copy out what the search needs to go on."""
    return beam_finish.save(search_at(address).ws)


@kernel
def restore(
    address: int, nodes: NDArray[np.void], beam: NDArray[np.void], blank: beam_finish.Floats, label: beam_finish.Floats,
    log_scale: float,
) -> None:  # fmt: skip
    """Continue a saved search."""
    beam_finish.restore(search_at(address).ws, nodes, beam, blank, label, log_scale)
