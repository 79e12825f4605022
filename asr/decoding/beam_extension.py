"""The prefixes that one frame adds to a beam, for compiled code. B: beam width, K: units tried in a frame."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_workspace import Settings, Workspace
from asr.decoding.fusion import (
    EITHER,
    INSIDE,
    SCORE_WORDS,
    Fusion,
    arc_gain,
    inner_bound,
    last_variant,
    main_variant,
    word_end_bound,
)
from asr.decoding.jit import inlined, kernel
from asr.decoding.merging import is_shared, key_of_arc, list_texts, place_of, share, stand_for
from asr.decoding.posteriors import probability
from asr.decoding.prefix_tree import NONE, ROOT, find_child
from asr.decoding.recombination import rank
from asr.decoding.same_text import NOTHING, text_after

# A prefix that is worse than all in a full beam by this factor is not collected: it would need as many of them to give
# way to others with the same future.
MARGIN = np.exp(-1.0)


@inlined
def extend(
    ws: Workspace, fusion: Fusion, settings: Settings, row: NDArray[np.float32], tried: int, best: float, lowest: float
) -> tuple[int, float]:
    """Collect the prefixes that this frame's units can make and that are not in the beam.

    Returns:
        Number of candidates, and the highest score among them and the prefixes that stay.
    """
    width = ws.width[0]
    floor = best * settings.beam_ratio
    if width == settings.beam:
        floor = max(floor, lowest * MARGIN)
    count = 0
    separator = fusion.texts.separator
    ender = first_ender(ws, fusion, tried)
    if fusion.texts.by_pieces:
        list_texts(ws, 0)
    for index in range(width):
        entry = ws.beam[index]
        parent = entry["node"]
        last, blank, label = entry["token"], entry["blank"], entry["label"]
        total = blank + label
        inside = total * inner_bound(fusion, ws.tree, parent)
        ending = 0.0
        if ender >= 0:
            prob = total * probability(ws.probs, row, np.int64(ws.tokens[ender]))
            ending = total * word_end_bound(fusion, ws.tree, parent, prob, floor)
        for position in range(tried):
            token = np.int64(ws.tokens[position])
            prob = probability(ws.probs, row, token)
            if max(inside, ending) * prob < floor:
                break
            if bound_of(fusion, token, inside, ending) * prob < floor:
                continue
            if token == separator and (last == separator or parent == ROOT):
                continue  # it says nothing new: see `stay`
            mass = blank if token == last else blank + label
            main = main_variant(fusion, token)
            for variant in range(main, 1 + last_variant(fusion, ws.tree, parent, token)):
                if in_beam(ws, index, position, tried, token, variant, variant == main):
                    continue
                gain = arc_gain(fusion, ws.tree, parent, token, variant)
                score = mass * prob * gain
                if score < floor or score <= 0.0:
                    continue
                count, best, floor = collect(
                    ws, fusion, settings, index, token, variant, gain, score, count, best, floor
                )
    return count, best


@inlined
def collect(
    ws: Workspace, fusion: Fusion, settings: Settings, index: int, token: int, variant: int, gain: float, score: float,
    count: int, best: float, floor: float,
) -> tuple[int, float, float]:  # fmt: skip
    """Make the prefix of an arc a candidate, or add its score to that of the prefix that stands for its text.

    Returns:
        Number of candidates, the highest score, and the score below which no other needs to be collected.
    """
    entry = ws.beam[index]
    text, key = NOTHING, NOTHING
    shared = False
    if fusion.texts.by_pieces:
        text = text_after(fusion.texts, entry["text"], entry["token"], token)
        key = key_of_arc(ws, fusion, index, text, token)
        place = place_of(ws, key)
        shared = is_shared(ws, place)
        if shared:
            best = max(best, share(ws, fusion, place, entry["node"], variant, gain, score))
    if not shared and count == ws.candidates.shape[0]:
        count, floor = thin_out(ws, settings, count, best, floor)
        if fusion.texts.by_pieces:
            list_texts(ws, count)
    if not shared and score >= floor:
        ws.scores[ws.width[0] + count] = score
        candidate = ws.candidates[count]
        candidate["gain"] = gain
        candidate["parent"] = entry["node"]
        candidate["token"] = token
        candidate["variant"] = variant
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
def thin_out(ws: Workspace, settings: Settings, count: int, best: float, floor: float) -> tuple[int, float]:
    """Make room among the candidates by dropping those that the beam has no place for.

    Returns:
        Number of candidates left, and the score below which no other needs to be collected.
    """
    width = ws.width[0]
    cut = rank(ws, settings, count, best)
    kept = 0
    for index in range(count):
        if ws.ranks[width + index] >= cut and ws.ranks[width + index] > 0.0 and kept < settings.beam:
            ws.scores[width + kept] = ws.scores[width + index]
            ws.candidates[kept] = ws.candidates[index]
            kept += 1
    return kept, max(cut, floor)
