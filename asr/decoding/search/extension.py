"""The prefixes that one frame adds to a beam, for compiled code. B: beam width, K: units tried in a frame."""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.factors import EITHER, INSIDE, SCORE_WORDS, Fusion, arc_gain, last_variant, word_end_bound
from asr.decoding.knowledge.phrase_automaton import phrase_gain
from asr.decoding.knowledge.prefixes import NONE, ROOT, find_child
from asr.decoding.knowledge.texts import NOTHING, text_after
from asr.decoding.search.frame_vectors import list_products
from asr.decoding.search.recombination import rank
from asr.decoding.search.shared_texts import is_shared, key_of_arc, list_texts, place_of, share, stand_for
from asr.decoding.search.workspace import Settings, Workspace
from asr.kernels.compile import Integer, inlined, kernel

# A prefix that is worse than all in a full beam by this factor is not collected: it would need as many of them to give
# way to others with the same future.
MARGIN = np.exp(-1.0)


@inlined
def extend_freely(ws: Workspace, fusion: Fusion, settings: Settings, tried: int, best: float) -> tuple[int, float]:
    """`extend` where no language model or lexicon has a say and every text has one spelling."""
    floor = floor_of(ws, settings, best)
    separator = fusion.texts.separator
    width = ws.width[0]
    count = 0
    for index in range(width):
        ws.inside[index] = (ws.blank[index] + ws.label[index]) * ws.beam[index]["inside"]
    for position in range(tried):
        prob = ws.weights[position]
        token = np.int64(ws.tokens[position])
        if count + width > ws.candidates.shape[0]:
            count, floor = thin_out(ws, settings, tried, count, best, floor)
        for number in range(list_products(ws.inside, width, prob, floor, ws.listed)):
            source = ws.listed[number]
            entry = ws.beam[source]
            last, blank = entry["token"], ws.blank[source]
            score = (blank if token == last else blank + ws.label[source]) * prob
            gain = 1.0
            if fusion.has_phrases:
                gain = phrase_gain(fusion.phrases, ws.tree.nodes[entry["node"]]["phrase"], token)
                score *= gain
            silent = (token == separator) & ((last == separator) | (entry["parent"] < 0))
            unwanted = silent | (ws.taken[np.uint64(source * tried + position)] == ws.clock[0])
            wanted = (score >= floor) & (score > 0.0) & (not unwanted)
            write_candidate(ws, count, source, position, ws.mains[position], gain, score)  # written over unless wanted
            count += wanted
            best = max(best, score if wanted else 0.0)
        floor = max(floor, best * settings.beam_ratio)
    return count, best


@inlined
def floor_of(ws: Workspace, settings: Settings, best: float) -> float:
    """The score below which a prefix need not be collected."""
    floor = best * settings.beam_ratio
    if ws.width[0] == settings.beam:
        lowest = best
        for index in range(settings.beam):
            lowest = min(lowest, ws.scores[index])
        floor = max(floor, lowest * MARGIN)
    return floor


@inlined
def write_candidate(
    ws: Workspace, count: int, source: Integer, position: int, variant: Integer, gain: float, score: float
) -> None:
    """Write the candidate of an arc after the first `count`."""
    ws.scores[np.uint64(ws.width[0] + count)] = score
    candidate = ws.candidates[count]
    candidate["gain"] = gain
    candidate["parent"] = ws.beam[source]["node"]
    candidate["source"] = source
    candidate["position"] = position
    candidate["variant"] = variant


@inlined
def extend(ws: Workspace, fusion: Fusion, settings: Settings, tried: int, best: float) -> tuple[int, float]:
    """Collect the prefixes that this frame's units can make and that are not in the beam.

    Returns:
        Number of candidates, and the highest score among them and the prefixes that stay.
    """
    floor = floor_of(ws, settings, best)
    separator = fusion.texts.separator
    count = 0
    if fusion.texts.by_pieces:
        list_texts(ws, tried, 0)
    set_bounds(ws, fusion, tried, floor)
    for position in range(tried):
        prob = ws.weights[position]
        token = np.int64(ws.tokens[position])
        main = ws.mains[position]
        for number in range(list_reaching(ws, fusion, token, prob, floor)):
            index = np.int64(ws.listed[number])
            entry = ws.beam[index]
            parent = np.int64(entry["node"])
            if token == separator and (entry["token"] == separator or parent == ROOT):
                continue  # it says nothing new: see `stay`
            mass = ws.blank[index]
            if token != entry["token"]:
                mass += ws.label[index]
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
def set_bounds(ws: Workspace, fusion: Fusion, tried: int, floor: float) -> None:
    """Note the most that arcs of each prefix, inside a word and ending one, reach but for the unit's probability."""
    ender = first_ender(ws, fusion, tried)
    for index in range(ws.width[0]):
        total = ws.blank[index] + ws.label[index]
        ws.inside[index] = total * ws.beam[index]["inside"]
        ws.ending[index] = 0.0
        if ender >= 0:
            ws.ending[index] = total * ending_of(ws, fusion, index, total * ws.weights[ender], floor)


@inlined
def list_reaching(ws: Workspace, fusion: Fusion, token: int, prob: float, floor: float) -> int:
    """List in `ws.listed` the prefixes that may reach the floor with a unit; returns how many."""
    role = fusion.roles[token]
    if role == EITHER:
        for index in range(ws.width[0]):
            ws.either[index] = max(ws.inside[index], ws.ending[index])
        return list_products(ws.either, ws.width[0], prob, floor, ws.listed)
    if role == INSIDE:
        return list_products(ws.inside, ws.width[0], prob, floor, ws.listed)
    return list_products(ws.ending, ws.width[0], prob, floor, ws.listed)


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
        return ws.taken[np.uint64(index * tried + position)] == ws.clock[0]
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
