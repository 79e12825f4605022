"""Spellings of one text share one place in the beam, for compiled code: see `same_text`. B: beam width.

Prefixes with the same text, the same last unit and the same state of the phrases cannot be told apart by what comes.
The first of them in the beam, or else the most probable among a frame's candidates, stands for all.
"""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.factors import Fusion, correction
from asr.decoding.knowledge.phrase_automaton import phrase_step
from asr.decoding.search.workspace import MASK, USES, Workspace
from asr.kernels.compile import Integer, inlined
from asr.kernels.hashing import HIGH, ONE, spread

PHRASE_BITS = np.uint64(32)


@inlined
def key_of(text: Integer, token: Integer, phrase: Integer) -> Integer:
    """The same number for prefixes that share a place."""
    return spread(np.uint64(text) + spread((np.uint64(phrase) << PHRASE_BITS) + np.uint64(token) + ONE))


@inlined
def place_of(ws: Workspace, key: Integer) -> Integer:
    """Where in the table a key is, or would go."""
    mask = np.uint64(ws.spelled_use[MASK])
    place = (np.uint64(key) >> HIGH) & mask
    while ws.spelled[place]["stamp"] == ws.spelled_use[USES] and ws.spelled[place]["key"] != key:
        place = (place + ONE) & mask
    return np.int64(place)


@inlined
def write_place(ws: Workspace, place: Integer, key: Integer, index: Integer) -> None:
    """Note that a prefix, counted as in `ws.scores`, is the one that stands for its text."""
    slot = ws.spelled[place]
    slot["key"] = key
    slot["stamp"] = ws.spelled_use[USES]
    slot["index"] = index


@inlined
def begin_table(ws: Workspace, texts: Integer) -> None:
    """Empty the table, and use as much of it as so many texts need: the less, the more of it is near."""
    size = 4
    while size < 2 * texts and size < ws.spelled.shape[0]:
        size *= 2
    ws.spelled_use[USES] += 1
    ws.spelled_use[MASK] = size - 1


@inlined
def list_texts(ws: Workspace, tried: int, count: int) -> None:
    """Begin the table anew with the prefixes of the beam and the first `count` candidates."""
    width = ws.width[0]
    begin_table(ws, width * (1 + tried))
    for index in range(width):
        entry = ws.beam[index]
        key = key_of(entry["text"], entry["token"], ws.tree.nodes[entry["node"]]["phrase"])
        place = place_of(ws, key)
        if ws.spelled[place]["stamp"] != ws.spelled_use[USES]:
            write_place(ws, place, key, index)
    for index in range(count):
        key = ws.candidates[index]["key"]
        write_place(ws, place_of(ws, key), key, width + index)


@inlined
def key_of_arc(ws: Workspace, fusion: Fusion, index: int, text: Integer, token: Integer) -> Integer:
    """The key of an entry of the beam with one more unit, which makes its text `text`."""
    phrase: Integer = 0
    if fusion.has_phrases:
        phrase = phrase_step(fusion.phrases, ws.tree.nodes[ws.beam[index]["node"]]["phrase"], token)
    return key_of(text, token, phrase)


@inlined
def is_shared(ws: Workspace, place: Integer) -> bool:
    """Whether a prefix that stands for the text is there already."""
    return ws.spelled[place]["stamp"] == ws.spelled_use[USES]


@inlined
def share(
    ws: Workspace, fusion: Fusion, place: Integer, source: int, position: int, variant: int, gain: float, score: float
) -> float:
    """Add a spelling's probability to the prefix that stands for its text; returns what that has now."""
    index = np.int64(ws.spelled[place]["index"])
    parent = ws.beam[source]["node"]
    if index < ws.width[0]:
        score *= correction(fusion, ws.tree, parent, variant, ws.beam[index]["node"])
        ws.scores[index] += score
        ws.next_label[index] += score
    else:
        ws.scores[index] += score
        candidate = ws.candidates[index - ws.width[0]]
        if score > candidate["share"]:
            candidate["share"] = score
            candidate["parent"] = parent
            candidate["source"] = source
            candidate["position"] = position
            candidate["variant"] = variant
            candidate["gain"] = gain
    return ws.scores[index]


@inlined
def stand_for(ws: Workspace, count: int, text: Integer, key: Integer, score: float) -> None:
    """Make the candidate that was written last the one that stands for its text."""
    candidate = ws.candidates[count]
    candidate["text"] = text
    candidate["key"] = key
    candidate["share"] = score
    write_place(ws, place_of(ws, key), key, ws.width[0] + count)
