"""The prefixes that one frame adds to a beam, for compiled code."""

from __future__ import annotations

from typing import cast

import numpy as np

from asr.decoding.knowledge.factors import EITHER, INSIDE, UnitModel, WordModel, read_unit, ways_to_read
from asr.decoding.knowledge.phrase_automaton import PhraseArrays
from asr.decoding.knowledge.prefixes import ROOT
from asr.decoding.knowledge.texts import TextArrays, key_of
from asr.decoding.search.pruning import empty_table, rank
from asr.decoding.search.state import Settings, State
from asr.decoding.search.tree import arc_key, find_child
from asr.kernels.compile import kernel
from asr.kernels.hashing import EMPTY, find_place

# A prefix that is worse than all in a full beam by this factor is not collected: it would need as many of them to give
# way to others with the same future.
MARGIN = np.exp(-1.0)
NOTHING: int = cast(
    "int", np.int64(0)
)  # a plain 0 has a type of its own, and numba compiles what is called with it once more


@kernel
def extend(
    state: State, settings: Settings, tried: int, best: float, phrases: PhraseArrays, texts: TextArrays,
    unit_model: UnitModel | None, word_model: WordModel | None,
) -> tuple[int, float]:  # fmt: skip
    """Collect the prefixes that this frame's units make and that are not in the beam.

    Args:
        state: the search.
        settings: pruning.
        tried: number of units in `state.tokens`.
        best: highest score of the prefixes that stay.
        phrases, texts, unit_model, word_model: see `Fusion`.

    Returns:
        Number of candidates, and the highest score among them and the prefixes that stay.
    """
    nodes = state.nodes
    floor = lowest_worth(state, settings, best)
    count = NOTHING
    places = list_texts(state, tried, count) if texts.by_pieces else NOTHING
    for slot in range(state.width[0]):
        parent = np.int64(state.beam[slot])
        before = nodes[parent]
        last = np.int64(before["token"])
        total = state.blank[slot] + state.label[slot]
        for position in range(tried):
            token = np.int64(state.tokens[position])
            mass = (state.blank[slot] if token == last else total) * state.probs[token]
            bound = before["inside"]
            if word_model is not None and word_model.roles[token] != INSIDE:
                bound = max(bound, before["ending"]) if word_model.roles[token] == EITHER else before["ending"]
            if mass * bound < floor or mass <= 0.0:
                continue
            if token == texts.separator and (last == token or parent == ROOT):
                continue  # it says nothing new: see `frame.stay`
            first, end = 0, 0
            if word_model is not None:
                first, end = ways_to_read(word_model, np.int64(before["spelling"]), token)
            for variant in range(first, end + 1):
                child = find_child(state.child_keys, state.children, arc_key(parent, token, variant))
                if child >= 0 and nodes[child]["slot"] >= 0:
                    continue  # it has got this arc's share already
                new = state.candidates[count]
                if child >= 0:
                    state.candidates[count] = nodes[child]
                else:
                    new["parent"], new["token"], new["variant"] = parent, token, variant
                    read_unit(before, new, phrases, texts, unit_model, word_model)
                score = mass * new["gain"]
                if score < floor or score <= 0.0:
                    continue
                state.known[count] = child
                if texts.by_pieces:
                    count, total_score = share(state, places, count, score)
                    best = max(best, total_score)
                else:
                    state.scores[state.width[0] + count] = score
                    count += 1
                    best = max(best, score)
                    floor = max(floor, best * settings.beam_ratio)
                if count == state.candidates.shape[0]:
                    count, floor = thin_out(state, settings, count, best, floor)
                    places = list_texts(state, tried, count) if texts.by_pieces else NOTHING
    return count, best


@kernel
def lowest_worth(state: State, settings: Settings, best: float) -> float:
    """The score below which a prefix need not be collected."""
    floor = best * settings.beam_ratio
    if state.width[0] == settings.beam:
        lowest = best
        for slot in range(settings.beam):
            lowest = min(lowest, state.scores[slot])
        floor = max(floor, lowest * MARGIN)
    return floor


@kernel
def thin_out(state: State, settings: Settings, count: int, best: float, floor: float) -> tuple[int, float]:
    """Make room among the candidates by dropping those that the beam has no place for.

    Returns:
        Number of candidates left, and the score below which no other needs to be collected.
    """
    width = state.width[0]
    cut = rank(state, settings, count, best)
    kept = 0
    for index in range(count):
        if state.ranks[width + index] >= cut and state.ranks[width + index] > 0.0 and kept < settings.beam:
            state.scores[width + kept] = state.scores[width + index]
            state.candidates[kept] = state.candidates[index]
            state.known[kept] = state.known[index]
            state.shares[kept] = state.shares[index]
            state.keys[kept] = state.keys[index]
            kept += 1
    return kept, max(cut, floor)


@kernel
def list_texts(state: State, tried: int, count: int) -> int:
    """Begin the table of texts with the prefixes of the beam and the first `count` candidates; returns its size."""
    width = state.width[0]
    places = min(empty_table(state.table_keys, width * (1 + tried)), state.table_keys.shape[0])
    for index in range(width + count):
        if index < width:
            node = state.nodes[state.beam[index]]
            key = key_of(node["text"], np.int64(node["token"]), np.int64(node["phrase"]))
        else:
            key = state.keys[index - width]
        place = find_place(state.table_keys, places, key)
        if state.table_keys[place] == EMPTY:
            state.table_keys[place] = key
            state.table_owner[place] = index
    return places


@kernel
def share(state: State, places: int, count: int, score: float) -> tuple[int, float]:
    """Make candidate number `count` one of its own, or add its score to the prefix that stands for its text.

    Prefixes with the same text, the same last unit and the same state of the phrases cannot be told apart by what
    comes. The first of them in the beam, or else the most probable among a frame's candidates, stands for all.

    Returns:
        The number of candidates, and the score of the one that stands for the text.
    """
    width = state.width[0]
    new = state.candidates[count]
    key = key_of(new["text"], np.int64(new["token"]), np.int64(new["phrase"]))
    place = find_place(state.table_keys, places, key)
    if state.table_keys[place] == EMPTY:
        state.table_keys[place] = key
        state.table_owner[place] = width + count
        state.keys[count] = key
        state.shares[count] = score
        state.scores[width + count] = score
        return count + 1, score
    owner = state.table_owner[place]
    state.scores[owner] += score
    if owner < width:
        state.next_label[owner] += score
    elif score > state.shares[owner - width]:
        state.shares[owner - width] = score
        state.candidates[owner - width] = new
        state.known[owner - width] = state.known[count]
    return count, state.scores[owner]
