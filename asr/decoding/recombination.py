"""Which prefixes in a full beam give way to others with the same future, for compiled code."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.hashing import HIGH, MIX, ONE
from asr.decoding.jit import Integer, inlined, kernel
from asr.decoding.prefix_tree import VARIANTS_FACTOR
from asr.decoding.selection import beam_cut

SOUNDING = np.uint64(1)
# What a prefix may lack beside the best of its kind and still be ranked by its score alone, as a factor: with words to
# tell prefixes apart, those of one kind differ in earlier words only.
MARGIN, MARGIN_OF_WORDS = np.exp(-2.0), np.exp(-0.5)


@kernel
def rank(ws: Workspace, settings: Settings, margin: float, count: int, best: float) -> float:
    """Rank all prefixes, and find the rank that the last one in the beam has.

    Of prefixes that end in the same unit and in the same states of language model, lexicon and phrases, whatever comes
    favours the one that is best now, if the last unit is over in both or in neither: while it begins, the prefix is
    still to receive most of its probability. Pruned paths make a difference, so prefixes within the margin of the best
    of their kind rank like any other. The rest give way to prefixes with another future, as hypotheses are recombined
    in decoders of weighted transducers: a factor of 0 drops them, one of `beam_ratio` leaves them the places over.
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
        if ws.ranks[index] > 0.0 and ws.ranks[index] < ws.leaders[ws.groups[index]]["score"] * margin:
            ws.ranks[index] *= settings.discount
    return beam_cut(ws.ranks, width + count, settings.beam, best, ws.bins, ws.scratch)


@inlined
def spread(value: Integer) -> Integer:
    """A number of 64 bits, each of which depends on those of the argument below it."""
    return (np.uint64(value) ^ (np.uint64(value) >> HIGH)) * MIX


@inlined
def future_of(node: NDArray[np.void]) -> Integer:
    """A number for all that the frames to come depend on."""
    states = spread(spread(np.uint64(node["lm_state"])) + np.uint64(np.int64(node["spelling"]) + 2))
    return spread(spread(states + np.uint64(node["phrase"])) + np.uint64(node["token"]))
