"""The end of a beam search, compiled: which prefixes end well, and which of them read the same. R: readings."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import UnitModel, WordModel, final_factor, word_of
from asr.decoding.knowledge.phrase_automaton import PhraseArrays
from asr.decoding.knowledge.prefixes import NONE, VARIANTS
from asr.decoding.knowledge.spelling_graph import count_words
from asr.decoding.knowledge.texts import TextArrays
from asr.decoding.search.pruning import empty_table
from asr.decoding.search.state import State
from asr.kernels.compile import allocating, kernel
from asr.kernels.hashing import EMPTY, ONE, find_place, spread


@allocating
def endings(
    state: State, leaves: NDArray[np.int32], phrases: PhraseArrays, unit_model: UnitModel | None,
    word_model: WordModel | None,
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int32]]:  # fmt: skip
    """Every way in which prefixes can end, one for each homophone that the word in progress may be.

    Args:
        state: the search.
        leaves: nodes of the prefixes.
        phrases, unit_model, word_model: see `Fusion`.

    Returns:
        (R,) place in `leaves`; (R,) natural log of the factor of ending there; (R,) lexicon word that the end finishes,
        or NONE.
    """
    room = leaves.shape[0] * (VARIANTS if word_model is not None else 1)
    places = np.empty(room, np.int64)
    gains = np.empty(room, np.float64)
    words = np.empty(room, np.int32)
    count = 0
    for place in range(leaves.shape[0]):
        node = state.nodes[leaves[place]]
        spelling = np.int64(node["spelling"])
        ways = 1
        if word_model is not None:
            ways = max(1, count_words(word_model.graph.states, spelling))
        for variant in range(1, ways + 1):
            gain = final_factor(node, variant, phrases, unit_model, word_model)
            if gain > 0.0:
                places[count] = place
                gains[count] = np.log(gain)
                words[count] = NONE
                if word_model is not None:
                    words[count] = word_of(word_model, spelling, variant)
                count += 1
    return places[:count], gains[:count], words[:count]


@kernel
def group_by_text(state: State, texts: TextArrays) -> None:
    """Note for each prefix of the beam, in `state.groups`, the first one with its text, whatever unit it ends in."""
    width = state.width[0]
    places = empty_table(state.table_keys, width)
    for slot in range(width):
        node = state.nodes[state.beam[slot]]
        state.groups[slot] = slot
        if texts.by_pieces:
            key = spread(node["text"]) | ONE
            place = find_place(state.table_keys, places, key)
            if state.table_keys[place] == EMPTY:
                state.table_keys[place] = key
                state.table_owner[place] = slot
            state.groups[slot] = state.table_owner[place]
        elif node["token"] == texts.separator and node["parent"] != NONE:
            parent = np.int64(state.nodes[node["parent"]]["slot"])
            state.groups[slot] = parent if parent >= 0 else slot
