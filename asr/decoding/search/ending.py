"""The end of a beam search: which prefixes end well, and what they read. B: beam width, R: readings, N: kept nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.endings import final_gain, last_score, lm_score_of_arc
from asr.decoding.knowledge.factors import SCORE_WORDS, Fusion
from asr.decoding.knowledge.prefixes import NONE, ROOT, VARIANTS, extract, load_nodes, reachable
from asr.decoding.knowledge.spelling_graph import count_words
from asr.decoding.search.shared_texts import begin_table, is_shared, place_of, write_place
from asr.decoding.search.workspace import LAST_GAIN, LAST_WORD, LENGTH, LM_SCORE, LOG_GAIN, NODE_FOUND, SCORE, Workspace
from asr.kernels.compile import Integer, allocating, inlined, kernel
from asr.kernels.hashing import spread

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]
SMALL_GAIN, LARGE_GAIN = 1e-100, 1e100  # products between these need no logarithm yet


class Snapshot(NamedTuple):
    """A search that has been put aside: only the nodes that its beam still needs."""

    nodes: NDArray[np.void]  # (N,) NODE, parents before children
    beam: NDArray[np.void]  # (B,) ENTRY
    blank: Floats  # (B,)
    label: Floats  # (B,)
    log_scale: float


@inlined
def ways_to_end(ws: Workspace, fusion: Fusion, node: Integer) -> int:
    """In how many ways the utterance may end in a prefix: more than 1 if its last word has homophones."""
    if fusion.scoring == SCORE_WORDS:
        return max(1, count_words(fusion.graph, ws.tree.nodes[node]["spelling"]))
    return 1


@inlined
def group_by_text(ws: Workspace, fusion: Fusion) -> None:
    """Note for each prefix of the beam, in `ws.groups`, the first one with its text, whatever unit it ends in."""
    begin_table(ws, ws.width[0])
    for index in range(ws.width[0]):
        entry = ws.beam[index]
        ws.groups[index] = index
        if fusion.texts.by_pieces:
            place = place_of(ws, spread(entry["text"]))
            if is_shared(ws, place):
                ws.groups[index] = ws.spelled[place]["index"]
            else:
                write_place(ws, place, spread(entry["text"]), index)
        elif entry["token"] == fusion.texts.separator and entry["parent"] >= 0:
            slot = np.int64(ws.tree.slots[entry["parent"]])
            ws.groups[index] = slot if slot >= 0 else index


@inlined
def best_variant(ws: Workspace, fusion: Fusion, node: Integer) -> tuple[float, Integer]:
    """The highest factor of ending the utterance in a prefix, and the lexicon word that this finishes."""
    best = 0.0
    last_word: Integer = NONE
    for variant in range(1, ways_to_end(ws, fusion, node) + 1):
        gain, word = final_gain(fusion, ws.tree, node, variant)
        if gain > best:
            best = gain
            last_word = word
    return best, last_word


@inlined
def find_best(ws: Workspace, fusion: Fusion) -> None:
    """Find the best ending and write it to the workspace; its length is NONE when no prefix ends well."""
    ws.counts[LENGTH] = NONE
    group_by_text(ws, fusion)
    width = ws.width[0]
    ws.scores[:width] = 0.0
    ws.ranks[:width] = 0.0
    best = 0.0
    for index in range(width):
        entry = ws.beam[index]
        node = np.int64(entry["node"])
        mass = ws.blank[index] + ws.label[index]
        gain, _ = best_variant(ws, fusion, node)
        ws.scores[index] = mass * gain
        ws.ranks[ws.groups[index]] += mass * gain
        best = max(best, mass * gain)
    if best <= 0.0:
        return
    group = int(np.argmax(ws.ranks[:width]))
    chosen = group
    for index in range(width):
        if ws.groups[index] == group and ws.scores[index] > ws.scores[chosen]:
            chosen = index
    node = np.int64(ws.beam[chosen]["node"])
    gain, word = best_variant(ws, fusion, node)
    ws.figures[LAST_GAIN] = np.log(gain)
    ws.figures[SCORE] = np.log(ws.ranks[group]) + ws.log_scale[0]
    ws.counts[NODE_FOUND] = node
    ws.counts[LAST_WORD] = word
    read_back(ws, fusion)


@inlined
def read_back(ws: Workspace, fusion: Fusion) -> None:
    """Write the units of the best ending to the workspace, with the logarithms of all its factors."""
    leaf = ws.counts[NODE_FOUND]
    gain = 1.0
    log_gain = ws.figures[LAST_GAIN]
    length = 0
    node = leaf
    while node != ROOT:
        gain *= ws.tree.nodes[node]["gain"]
        if gain < SMALL_GAIN or gain > LARGE_GAIN:
            log_gain += np.log(gain)
            gain = 1.0
        length += 1
        node = np.int64(ws.tree.nodes[node]["parent"])
    ws.counts[LENGTH] = length
    ws.figures[LOG_GAIN] = log_gain + np.log(gain)
    ws.figures[LM_SCORE] = lm_score_of(ws, fusion, leaf, ws.counts[LAST_WORD])
    node = leaf
    while node != ROOT:
        length -= 1
        ws.reading[length] = ws.tree.nodes[node]["token"]
        node = np.int64(ws.tree.nodes[node]["parent"])


@kernel
def lm_score_of(ws: Workspace, fusion: Fusion, leaf: Integer, last_word: Integer) -> float:
    """Natural-log probability, unweighted, of a reading that ends in a prefix with a lexicon word or NONE."""
    score = last_score(fusion, ws.tree, leaf, last_word)
    node = np.int64(leaf)
    while node != ROOT and fusion.has_lm:
        score += lm_score_of_arc(fusion, ws.tree, node)
        node = np.int64(ws.tree.nodes[node]["parent"])
    return score


@allocating
def endings(ws: Workspace, fusion: Fusion) -> tuple[Floats, Ints, Floats, Ints, Ints]:
    """Every way in which the prefixes of the beam can end.

    Returns:
        (R,) natural-log score, (R,) node, (R,) natural log of the last factor, (R,) lexicon word that the end finishes,
        (R,) a number that prefixes with the same text share.
    """
    room = ws.width[0] * (VARIANTS if fusion.scoring == SCORE_WORDS else 1)
    scores = np.empty(room, np.float64)
    gains = np.empty(room, np.float64)
    nodes = np.empty(room, np.int32)
    words = np.empty(room, np.int32)
    groups = np.empty(room, np.int32)
    group_by_text(ws, fusion)
    count = 0
    for index in range(ws.width[0]):
        node = np.int64(ws.beam[index]["node"])
        mass = ws.blank[index] + ws.label[index]
        for variant in range(1, ways_to_end(ws, fusion, node) + 1):
            gain, word = final_gain(fusion, ws.tree, node, variant)
            if gain > 0.0:
                scores[count] = np.log(mass) + np.log(gain) + ws.log_scale[0]
                gains[count] = np.log(gain)
                nodes[count] = node
                words[count] = word
                groups[count] = ws.groups[index]
                count += 1
    return scores[:count], nodes[:count], gains[:count], words[:count], groups[:count]


@allocating
def save(ws: Workspace) -> tuple[NDArray[np.void], NDArray[np.void], Floats, Floats, float]:
    """Copy out what the search needs to go on, the fields of a `Snapshot`; the workspace is not changed."""
    width = ws.width[0]
    beam = ws.beam[:width].copy()
    renumbered = reachable(ws.tree, beam)
    for index in range(beam.shape[0]):
        beam[index]["node"] = renumbered[beam[index]["node"]]
        if beam[index]["parent"] >= 0:
            beam[index]["parent"] = renumbered[beam[index]["parent"]]
    return extract(ws.tree, renumbered), beam, ws.blank[:width].copy(), ws.label[:width].copy(), ws.log_scale[0]


@kernel
def restore(
    ws: Workspace, nodes: NDArray[np.void], beam: NDArray[np.void], blank: Floats, label: Floats, log_scale: float
) -> None:
    """Make a workspace continue a saved search; whatever it held is forgotten."""
    load_nodes(ws.tree, nodes)
    for index in range(beam.shape[0]):
        ws.beam[index] = beam[index]
        ws.blank[index] = blank[index]
        ws.label[index] = label[index]
        ws.tree.slots[beam[index]["node"]] = index
    ws.width[0] = beam.shape[0]
    ws.log_scale[0] = log_scale


@allocating
def common_ancestor(nodes: NDArray[np.void], beam: NDArray[np.void]) -> Integer:
    """The longest prefix that every prefix of the beam begins with: whatever comes, it will not change."""
    ancestor = np.int64(beam[0]["node"])
    for index in range(1, beam.shape[0]):
        other = np.int64(beam[index]["node"])
        while ancestor != other:  # parents have smaller numbers than children
            if ancestor > other:
                ancestor = np.int64(nodes[ancestor]["parent"])
            else:
                other = np.int64(nodes[other]["parent"])
    return ancestor
