"""The prefixes that one frame adds to a beam, for compiled code. B: beam width, K: units tried in a frame."""

from __future__ import annotations

import numpy as np

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.fusion import (
    EITHER,
    INSIDE,
    SCORE_WORDS,
    Fusion,
    arc_gain,
    last_variant,
    word_end_bound,
)
from asr.decoding.jit import inlined, kernel
from asr.decoding.merging import is_shared, key_of_arc, list_texts, place_of, share, stand_for
from asr.decoding.phrase_automaton import phrase_gain
from asr.decoding.prefix_tree import NONE, ROOT, find_child
from asr.decoding.recombination import rank
from asr.decoding.same_text import NOTHING, text_after

# A prefix that is worse than all in a full beam by this factor is not collected: it would need as many of them to give
# way to others with the same future.
MARGIN = np.exp(-1.0)


@inlined
def extend_freely(
    ws: Workspace, fusion: Fusion, settings: Settings, tried: int, best: float, lowest: float
) -> tuple[int, float]:
    """`extend` where no language model or lexicon has a say and every text has one spelling."""
    floor = floor_of(ws, settings, best, lowest)
    separator = fusion.texts.separator
    room = ws.candidates.shape[0]
    count = 0
    for index in range(ws.width[0]):
        entry = ws.beam[index]
        node, last, blank = np.int64(entry["node"]), entry["token"], entry["blank"]
        total = blank + entry["label"]
        bound = total * entry["inside"]
        for position in range(tried):
            if bound * ws.weights[position] < floor:
                break
            if ws.taken[index * tried + position] == ws.clock[0]:
                continue
            token = np.int64(ws.tokens[position])
            score = (blank if token == last else total) * ws.weights[position]
            gain = 1.0
            if fusion.has_phrases:
                gain = phrase_gain(fusion.phrases, ws.tree.nodes[node]["phrase"], token)
                score *= gain
            if score < floor or score <= 0.0 or (token == separator and (last == separator or node == ROOT)):
                continue
            if count == room:
                count, floor = thin_out(ws, settings, tried, count, best, floor)
            write_candidate(ws, count, index, position, ws.mains[position], gain, score)
            count += 1
            if score > best:
                best = score
                floor = max(floor, best * settings.beam_ratio)
    return count, best


@inlined
def floor_of(ws: Workspace, settings: Settings, best: float, lowest: float) -> float:
    """The score below which a prefix need not be collected."""
    floor = best * settings.beam_ratio
    return max(floor, lowest * MARGIN) if ws.width[0] == settings.beam else floor


@inlined
def write_candidate(
    ws: Workspace, count: int, source: int, position: int, variant: int, gain: float, score: float
) -> None:
    """Write the candidate of an arc after the first `count`."""
    ws.scores[ws.width[0] + count] = score
    candidate = ws.candidates[count]
    candidate["gain"] = gain
    candidate["parent"] = ws.beam[source]["node"]
    candidate["source"] = source
    candidate["position"] = position
    candidate["variant"] = variant


@inlined
def extend(
    ws: Workspace, fusion: Fusion, settings: Settings, tried: int, best: float, lowest: float
) -> tuple[int, float]:
    """Collect the prefixes that this frame's units can make and that are not in the beam.

    Returns:
        Number of candidates, and the highest score among them and the prefixes that stay.
    """
    floor = floor_of(ws, settings, best, lowest)
    separator = fusion.texts.separator
    count = 0
    ender = first_ender(ws, fusion, tried)
    if fusion.texts.by_pieces:
        list_texts(ws, tried, 0)
    for index in range(ws.width[0]):
        entry = ws.beam[index]
        parent = np.int64(entry["node"])
        last, blank = entry["token"], entry["blank"]
        total = blank + entry["label"]
        inside = total * entry["inside"]
        ending = 0.0
        if ender >= 0:
            ending = total * ending_of(ws, fusion, index, total * ws.weights[ender], floor)
        for position in range(tried):
            prob = ws.weights[position]
            if max(inside, ending) * prob < floor:
                break
            token = np.int64(ws.tokens[position])
            if bound_of(fusion, token, inside, ending) * prob < floor:
                continue
            if token == separator and (last == separator or parent == ROOT):
                continue  # it says nothing new: see `stay`
            mass = blank if token == last else total
            main = ws.mains[position]
            for variant in range(main, 1 + last_variant(fusion, ws.tree, parent, token)):
                if in_beam(ws, index, position, tried, token, variant, variant == main):
                    continue
                gain = arc_gain(fusion, ws.tree, parent, token, variant)
                score = mass * prob * gain
                if score < floor or score <= 0.0:
                    continue
                count, best, floor = collect(
                    ws, fusion, settings, tried, index, position, variant, gain, score, count, best, floor
                )
    return count, best


@inlined
def ending_of(ws: Workspace, fusion: Fusion, index: int, mass: float, floor: float) -> float:
    """The bound of an entry's arcs that end a word; the word is not looked up where `mass` is too little for any."""
    entry = ws.beam[index]
    if entry["ending"] >= 0.0:
        return entry["ending"]
    if mass * entry["guess"] < floor:
        return entry["guess"]
    entry["ending"] = word_end_bound(fusion, ws.tree, np.int64(entry["node"]))
    return entry["ending"]


@inlined
def collect(
    ws: Workspace, fusion: Fusion, settings: Settings, tried: int, index: int, position: int, variant: int,
    gain: float, score: float, count: int, best: float, floor: float,
) -> tuple[int, float, float]:  # fmt: skip
    """Make the prefix of an arc a candidate, or add its score to that of the prefix that stands for its text.

    Returns:
        Number of candidates, the highest score, and the score below which no other needs to be collected.
    """
    text, key = NOTHING, NOTHING
    shared = False
    if fusion.texts.by_pieces:
        entry = ws.beam[index]
        token = np.int64(ws.tokens[position])
        text = text_after(fusion.texts, entry["text"], entry["token"], token)
        key = key_of_arc(ws, fusion, index, text, token)
        place = place_of(ws, key)
        shared = is_shared(ws, place)
        if shared:
            best = max(best, share(ws, fusion, place, index, position, variant, gain, score))
    if not shared and count == ws.candidates.shape[0]:
        count, floor = thin_out(ws, settings, tried, count, best, floor)
        if fusion.texts.by_pieces:
            list_texts(ws, tried, count)
    if not shared and score >= floor:
        write_candidate(ws, count, index, position, variant, gain, score)
        if fusion.texts.by_pieces:
            stand_for(ws, count, text, key, score)
        count += 1
        best = max(best, score)
        if not fusion.texts.by_pieces:  # else the order of prefixes would decide which spellings are added
            floor = max(floor, best * settings.beam_ratio)
    return count, best, floor


@inlined
def bound_of(fusion: Fusion, token: int, inside: float, ending: float) -> float:
    """The bound of a prefix for one unit, from those for units that go on with a word and those that end it."""
    role = fusion.roles[token]
    bound = max(inside, ending)
    if role == INSIDE:
        bound = inside
    elif role != EITHER:
        bound = ending
    return bound


@inlined
def first_ender(ws: Workspace, fusion: Fusion, tried: int) -> int:
    """Position of the most probable unit that can end a word, or NONE."""
    if fusion.scoring == SCORE_WORDS:
        for position in range(tried):
            if fusion.roles[ws.tokens[position]] != INSIDE:
                return position
    return NONE


@inlined
def in_beam(ws: Workspace, index: int, position: int, tried: int, token: int, variant: int, is_main: bool) -> bool:
    """Whether the prefix that an arc leads to is in the beam already, and so has got this arc's share in `stay`."""
    if is_main:
        return ws.taken[index * tried + position] == ws.clock[0]
    child = find_child(ws.tree, ws.beam[index]["node"], token, variant)
    return child >= 0 and ws.tree.slots[child] >= 0


@kernel
def thin_out(ws: Workspace, settings: Settings, tried: int, count: int, best: float, floor: float) -> tuple[int, float]:
    """Make room among the candidates by dropping those that the beam has no place for.

    Returns:
        Number of candidates left, and the score below which no other needs to be collected.
    """
    width = ws.width[0]
    cut = rank(ws, settings, tried, count, best)
    kept = 0
    for index in range(count):
        if ws.ranks[width + index] >= cut and ws.ranks[width + index] > 0.0 and kept < settings.beam:
            ws.scores[width + kept] = ws.scores[width + index]
            ws.candidates[kept] = ws.candidates[index]
            kept += 1
    return kept, max(cut, floor)
