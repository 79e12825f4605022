"""Which prefixes in a full beam give way to others with the same future, for compiled code."""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.prefixes import NONE, VARIANTS_FACTOR, PrefixTree
from asr.decoding.search.pruning import beam_cut
from asr.decoding.search.workspace import Settings, Workspace
from asr.kernels.compile import Integer, inlined, kernel
from asr.kernels.hashing import HIGH, ONE, spread

LM_BITS = np.uint64(32)


@kernel
def rank(ws: Workspace, settings: Settings, tried: int, count: int, best: float) -> float:
    """Rank all prefixes, and find the rank that the last one in the beam has.

    Of prefixes that end in the same last units (`prefix_tree.WINDOW`) and in the same states of language model, lexicon
    and phrases, whatever comes favours the one that is best now, if the last unit is over in both or in neither: while
    it begins, the prefix is still to receive most of its probability. The rest give way to prefixes with another
    future, as hypotheses are recombined in decoders of weighted transducers: a factor of 0 drops them, one of
    `beam_ratio` leaves them the places over.
    """
    width = ws.width[0]
    floor = best * settings.beam_ratio
    group(ws, tried, count)
    for index in range(width + count):
        score = ws.scores[index]
        factor = settings.discount if score < ws.group_best[np.uint64(ws.groups[index])] else 1.0
        ws.ranks[index] = score * factor if score >= floor else 0.0
    return beam_cut(ws.ranks, width + count, settings.beam, best, ws.bins, ws.scratch)


@inlined
def group(ws: Workspace, tried: int, count: int) -> None:
    """Find the best of the prefixes that have the same future.

    Prefixes of the beam with the same future are a family, and what the same unit makes of a family has the same future
    again, so that only the beam needs a hash table. The highest score of a family is noted at twice its place in the
    table, that of its prefixes whose last unit is not over one further on, and after those of the H places, at
    2 H + f K + k, the highest that family f reaches by the k-th unit.
    """
    width = ws.width[0]
    units = 2 * ws.leaders.shape[0]
    ws.stamp[0] += 1
    families = 0
    for index in range(width):
        entry = ws.beam[index]
        place = leader_of(ws, entry["future"])
        leader = ws.leaders[place]
        if leader["family"] == NONE:
            leader["family"] = families
            families += 1
        ws.families[index] = leader["family"]
        note(ws, index, 2 * place + (ws.next_label[index] > ws.next_blank[index]))
    ws.group_best[units : units + families * tried] = 0.0
    for index in range(width, width + count):
        candidate = ws.candidates[index - width]
        if candidate["variant"] == ws.mains[candidate["position"]]:
            note(ws, index, units + np.int64(ws.families[candidate["source"]]) * tried + candidate["position"])
        else:
            arc = np.uint64(ws.tokens[candidate["position"]]) * VARIANTS_FACTOR + np.uint64(candidate["variant"]) + ONE
            note(ws, index, 2 * leader_of(ws, spread(ws.beam[candidate["source"]]["future"] + arc)))


@inlined
def note(ws: Workspace, index: int, place: Integer) -> None:
    """Put a prefix in a group."""
    ws.groups[index] = place
    ws.group_best[np.uint64(place)] = max(ws.group_best[np.uint64(place)], ws.scores[index])


@inlined
def leader_of(ws: Workspace, future: Integer) -> Integer:
    """The place of a future in the table."""
    stamp = ws.stamp[0]
    mask = np.uint64(ws.leaders.shape[0] - 1)
    place = (np.uint64(future) >> HIGH) & mask
    while ws.leaders[place]["stamp"] == stamp and ws.leaders[place]["future"] != future:
        place = (place + ONE) & mask
    leader = ws.leaders[place]
    if leader["stamp"] != stamp:
        leader["stamp"] = stamp
        leader["future"] = future
        leader["family"] = NONE
        ws.group_best[2 * place] = 0.0
        ws.group_best[2 * place + ONE] = 0.0
    return np.int64(place)


@inlined
def future_of(tree: PrefixTree, index: Integer) -> Integer:
    """A number for all that the frames to come depend on."""
    node = tree.nodes[index]
    states = (np.uint64(node["lm_state"]) << LM_BITS) + np.uint64(np.int64(node["spelling"]) + 2)
    return spread(spread(spread(node["window"]) + states) + np.uint64(node["phrase"]))
