"""Which prefixes in a full beam give way to others with the same future, for compiled code."""

from __future__ import annotations

import numpy as np

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.hashing import HIGH, ONE, spread
from asr.decoding.jit import Integer, inlined, kernel
from asr.decoding.prefix_tree import NONE, VARIANTS_FACTOR, PrefixTree
from asr.decoding.selection import beam_cut

SOUNDING = np.uint64(1)
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
        place = ws.groups[index]
        top = ws.family_best[place] if place >= 0 else ws.leaders[-1 - place]["score"]
        if score < floor:
            score = 0.0
        elif score < top:
            score *= settings.discount
        ws.ranks[index] = score
    return beam_cut(ws.ranks, width + count, settings.beam, best, ws.bins, ws.scratch)


@inlined
def group(ws: Workspace, tried: int, count: int) -> None:
    """Find the best of the prefixes that have the same future.

    Prefixes of the beam with the same future are a family, and what the same unit makes of a family has the same future
    again, so that only the beam needs a hash table.
    """
    width = ws.width[0]
    ws.stamp[0] += 1
    families = 0
    for index in range(width):
        entry = ws.beam[index]
        leader = ws.leaders[leader_of(ws, entry["future"], 0.0)]
        if leader["family"] == NONE:
            leader["family"] = families
            families += 1
        ws.families[index] = leader["family"]
        future = entry["future"]
        if entry["next_label"] > entry["next_blank"]:
            future = spread(future + SOUNDING)
        ws.groups[index] = -1 - leader_of(ws, future, ws.scores[index])
    ws.family_best[: families * tried] = 0.0
    for index in range(width, width + count):
        candidate = ws.candidates[index - width]
        score = ws.scores[index]
        if candidate["variant"] == ws.mains[candidate["position"]]:
            place = np.int64(ws.families[candidate["source"]]) * tried + candidate["position"]
            ws.family_best[place] = max(ws.family_best[place], score)
            ws.groups[index] = place
        else:
            arc = np.uint64(ws.tokens[candidate["position"]]) * VARIANTS_FACTOR + np.uint64(candidate["variant"]) + ONE
            ws.groups[index] = -1 - leader_of(ws, spread(ws.beam[candidate["source"]]["future"] + arc), score)


@inlined
def leader_of(ws: Workspace, future: Integer, score: float) -> Integer:
    """The place of a future in the table, where the highest score with it is noted."""
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
        leader["score"] = score
    elif score > leader["score"]:
        leader["score"] = score
    return np.int64(place)


@inlined
def future_of(tree: PrefixTree, index: Integer) -> Integer:
    """A number for all that the frames to come depend on."""
    node = tree.nodes[index]
    states = (np.uint64(node["lm_state"]) << LM_BITS) + np.uint64(np.int64(node["spelling"]) + 2)
    return spread(spread(spread(node["window"]) + states) + np.uint64(node["phrase"]))
