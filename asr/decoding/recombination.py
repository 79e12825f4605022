"""Which prefixes in a full beam give way to others with the same future, for compiled code."""

from __future__ import annotations

import numpy as np

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.hashing import HIGH, ONE, spread
from asr.decoding.jit import Integer, inlined, kernel
from asr.decoding.prefix_tree import ROOT, VARIANTS_FACTOR, PrefixTree
from asr.decoding.selection import beam_cut

WINDOW = 3  # units: while prefixes differ in the last ones, how probable they are is not settled
SOUNDING = np.uint64(1)


@kernel
def rank(ws: Workspace, settings: Settings, count: int, best: float) -> float:
    """Rank all prefixes, and find the rank that the last one in the beam has.

    Of prefixes that end in the same `WINDOW` units and in the same states of language model, lexicon and phrases,
    whatever comes favours the one that is best now, if the last unit is over in both or in neither: while it begins,
    the prefix is still to receive most of its probability. The rest give way to prefixes with another future, as
    hypotheses are recombined in decoders of weighted transducers: a factor of 0 drops them, one of `beam_ratio` leaves
    them the places over.
    """
    width = ws.width[0]
    floor = best * settings.beam_ratio
    stamp = np.int32(ws.stamp[0] + 1)
    ws.stamp[0] = stamp
    mask = np.uint64(ws.leaders.shape[0] - 1)
    for index in range(width + count):
        score = ws.scores[index]
        ws.ranks[index] = score if score >= floor else 0.0
        if score < floor:
            continue
        if index < width:
            entry = ws.beam[index]
            future = entry["future"]
            if entry["next_label"] > entry["next_blank"]:
                future = spread(future + SOUNDING)
        else:
            candidate = ws.candidates[index - width]
            arc = np.uint64(candidate["token"]) * VARIANTS_FACTOR + np.uint64(candidate["variant"]) + ONE
            future = spread(ws.beam[ws.tree.slots[candidate["parent"]]]["future"] + arc)
        place = (future >> HIGH) & mask
        while ws.leaders[place]["stamp"] == stamp and ws.leaders[place]["future"] != future:
            place = (place + ONE) & mask
        leader = ws.leaders[place]
        if leader["stamp"] != stamp:
            leader["stamp"] = stamp
            leader["future"] = future
            leader["score"] = score
        leader["score"] = max(leader["score"], score)
        ws.groups[index] = place
    for index in range(width + count):
        if ws.ranks[index] > 0.0 and ws.ranks[index] < ws.leaders[ws.groups[index]]["score"]:
            ws.ranks[index] *= settings.discount
    return beam_cut(ws.ranks, width + count, settings.beam, best, ws.bins, ws.scratch)


@inlined
def future_of(tree: PrefixTree, index: Integer) -> Integer:
    """A number for all that the frames to come depend on."""
    node = tree.nodes[index]
    value = spread(spread(np.uint64(node["lm_state"])) + np.uint64(np.int64(node["spelling"]) + 2))
    value = spread(value + np.uint64(node["phrase"]))
    place: Integer = np.int64(index)
    for _ in range(WINDOW):
        value = spread(value + np.uint64(tree.nodes[place]["token"]))
        if place == ROOT:
            break
        place = np.int64(tree.nodes[place]["parent"])
    return value
