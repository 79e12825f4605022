"""Which prefixes of a full beam stay, for compiled code: the best ones, recombined."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import ROOT, VARIANTS
from asr.decoding.search.state import Settings, State
from asr.kernels.compile import Integer, kernel
from asr.kernels.hashing import EMPTY, ONE, find_place, spread

VARIANTS_FACTOR = np.uint64(VARIANTS)
WINDOW = 3  # units: while prefixes differ in the last ones, how probable they are is not settled


@kernel
def rank(state: State, settings: Settings, count: int, best: float) -> float:
    """Rank the prefixes of the beam and `count` candidates, and find the rank that the last one to be kept has.

    Of prefixes that end in the same last units (WINDOW) and in the same states of language model, lexicon and phrases,
    whatever comes favours the one that is best now, if the last unit is over in both or in neither: while it begins,
    the prefix is still to receive most of its probability. The rest give way to prefixes with another future, as
    hypotheses are recombined in decoders of weighted transducers: with `settings.discount` they are left the places
    over.
    """
    width = state.width[0]
    group(state, count)
    for index in range(width + count):
        score = state.scores[index]
        factor = settings.discount if score < state.table_best[state.groups[index]] else 1.0
        state.ranks[index] = score * factor if score >= best * settings.beam_ratio else 0.0
        state.scratch[index] = state.ranks[index]
    if width + count <= settings.beam:
        return 0.0
    return highest(state.scratch, width + count, settings.beam)


@kernel
def group(state: State, count: int) -> None:
    """Put prefixes with the same future in a group, and note the highest score of each."""
    width = state.width[0]
    places = empty_table(state.table_keys, width + count)
    for slot in range(width):
        state.futures[slot] = future_of(state.nodes, state.beam[slot])
        is_over = state.next_label[slot] > state.next_blank[slot]
        note_score(state, places, state.futures[slot] + (ONE if is_over else EMPTY), slot)
    for index in range(count):
        new = state.candidates[index]
        parent = np.int64(state.nodes[new["parent"]]["slot"])
        key = state.futures[parent] + spread(
            np.uint64(new["token"]) * VARIANTS_FACTOR + np.uint64(new["variant"]) + ONE
        )
        note_score(state, places, key, width + index)


@kernel
def note_score(state: State, places: int, future: Integer, index: int) -> None:
    """Put a prefix in the group of a future."""
    key = spread(future) | ONE
    place = find_place(state.table_keys, places, key)
    if state.table_keys[place] == EMPTY:
        state.table_keys[place] = key
        state.table_best[place] = 0.0
    state.table_best[place] = max(state.table_best[place], state.scores[index])
    state.groups[index] = place


@kernel
def future_of(nodes: NDArray[np.void], index: Integer) -> Integer:
    """A number for all that the frames to come depend on."""
    node = nodes[index]
    key = spread((np.uint64(node["lm_state"]) << np.uint64(32)) + np.uint64(np.int64(node["spelling"]) + 2))
    key = spread(key + np.uint64(node["phrase"]))
    for _ in range(WINDOW):
        key = spread(key + np.uint64(nodes[index]["token"]))
        index = max(ROOT, np.int64(nodes[index]["parent"]))
    return key


@kernel
def empty_table(keys: NDArray[np.uint64], entries: int) -> int:
    """Empty as many places of a hash table as so many entries need, and say how many these are."""
    places = 4
    while places < 2 * entries:
        places *= 2
    keys[:places] = EMPTY
    return places


@kernel
def highest(values: NDArray[np.float64], count: int, rank: int) -> float:
    """The `rank`-th highest, from 1, of the first `count` values, by quickselect (Hoare 1961); reorders them."""
    low, high, target = 0, count - 1, rank - 1
    while low < high:
        pivot = values[(low + high) >> 1]
        left, right = low, high
        while left <= right:
            while values[left] > pivot:
                left += 1
            while values[right] < pivot:
                right -= 1
            if left <= right:
                values[left], values[right] = values[right], values[left]
                left += 1
                right -= 1
        if target <= right:
            high = right
        elif target >= left:
            low = left
        else:
            break
    return values[target]
