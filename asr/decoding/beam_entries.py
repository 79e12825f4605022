"""The compiled beam search as Python calls it: every function takes the address of its `Search` and little else.

T: frames, V: units, B: beam width, N: nodes, R: readings, L: units of a reading.
"""

from __future__ import annotations

import numpy as np
from numba import typeof
from numpy.typing import NDArray

from asr.decoding import beam_finish, beam_kernel, prefix_tree
from asr.decoding.beam_workspace import Search, Settings, make_workspace
from asr.decoding.fusion import final_gain
from asr.decoding.fusion_setup import no_knowledge
from asr.decoding.jit import allocating, kernel
from asr.decoding.pinned import read_only, reader_of

SEARCH_TYPE = typeof(Search(make_workspace(1, 1, 1), read_only(no_knowledge(1)), Settings(1, 0.0, 0.0, 0.0)))
search_at = reader_of(SEARCH_TYPE)


@kernel
def decode(address: int, log_probs: NDArray[np.float32]) -> tuple[int, int]:
    """Search through a whole utterance (T, V) and find its best reading.

    Returns:
        As `beam_kernel.advance`; the reading is in the workspace only if the first is T.
    """
    search = search_at(address)
    beam_kernel.start(search.ws, search.fusion)
    frame, why = beam_kernel.advance(search.ws, search.fusion, search.settings, log_probs, 0)
    if frame == log_probs.shape[0]:
        beam_finish.find_best(search.ws, search.fusion)
    return frame, why


@kernel
def begin(address: int) -> None:
    """Forget what was searched before, and start an utterance."""
    search = search_at(address)
    beam_kernel.start(search.ws, search.fusion)


@kernel
def advance(address: int, log_probs: NDArray[np.float32], first: int) -> tuple[int, int]:
    """Go on through a block (T, V) from frame `first`; returns as `beam_kernel.advance`."""
    search = search_at(address)
    return beam_kernel.advance(search.ws, search.fusion, search.settings, log_probs, first)


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
def trace(
    address: int, node: int, last_word: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], float, float]:
    """Read a prefix: see `prefix_tree.trace`; and its natural-log language-model score with the given last word."""
    search = search_at(address)
    tokens, words, variants, log_gain = prefix_tree.trace(search.ws.tree, node)
    return tokens, words, variants, log_gain, beam_finish.lm_score_of(search.ws, search.fusion, node, last_word)


@allocating
def save(address: int) -> tuple[NDArray[np.void], NDArray[np.void], float]:
    """Copy out what the search needs to go on."""
    return beam_finish.save(search_at(address).ws)


@kernel
def restore(address: int, nodes: NDArray[np.void], beam: NDArray[np.void], log_scale: float) -> None:
    """Continue a saved search."""
    beam_finish.restore(search_at(address).ws, nodes, beam, log_scale)
