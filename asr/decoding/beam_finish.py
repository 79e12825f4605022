"""The end of a beam search: which prefixes end well, and what they read. B: beam width, R: readings, N: kept nodes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from asr.decoding.beam_workspace import Workspace
from asr.decoding.fusion import SCORE_WORDS, Fusion, final_gain
from asr.decoding.jit import Integer
from asr.decoding.prefix_tree import VARIANTS, clear, extract, load_nodes, reachable
from asr.decoding.spelling import count_words

Floats = NDArray[np.float64]
Ints = NDArray[np.int32]


class Snapshot(NamedTuple):
    """A search that has been put aside: only the nodes that its beam still needs."""

    nodes: NDArray[np.void]  # (N,) NODE, parents before children
    beam: NDArray[np.void]  # (B,) ENTRY
    log_scale: float


@njit(cache=True)
def endings(ws: Workspace, fusion: Fusion) -> tuple[Floats, Ints, Floats, Ints]:
    """Every way in which the prefixes of the beam can end.

    Returns:
        (R,) natural-log score, (R,) node, (R,) natural log of the last factor, (R,) lexicon word that the end finishes.
    """
    room = ws.width[0] * (VARIANTS if fusion.scoring == SCORE_WORDS else 1)
    scores = np.empty(room, np.float64)
    gains = np.empty(room, np.float64)
    nodes = np.empty(room, np.int32)
    words = np.empty(room, np.int32)
    count = 0
    for index in range(ws.width[0]):
        node = np.int64(ws.beam[index]["node"])
        mass = ws.beam[index]["blank"] + ws.beam[index]["label"]
        ways = 1
        if fusion.scoring == SCORE_WORDS:
            ways = max(1, count_words(fusion.graph, ws.tree.nodes[node]["spelling"]))
        for variant in range(1, ways + 1):
            gain, word = final_gain(fusion, ws.tree, node, variant)
            if gain > 0.0:
                scores[count] = np.log(mass) + np.log(gain) + ws.log_scale[0]
                gains[count] = np.log(gain)
                nodes[count] = node
                words[count] = word
                count += 1
    return scores[:count], nodes[:count], gains[:count], words[:count]


@njit(cache=True)
def save(ws: Workspace) -> Snapshot:
    """Copy out what the search needs to go on; the workspace is not changed."""
    renumbered = reachable(ws.tree, beam_nodes(ws))
    beam = ws.beam[: ws.width[0]].copy()
    for index in range(beam.shape[0]):
        beam[index]["node"] = renumbered[beam[index]["node"]]
        if beam[index]["parent"] >= 0:
            beam[index]["parent"] = renumbered[beam[index]["parent"]]
    return Snapshot(extract(ws.tree, renumbered), beam, ws.log_scale[0])


@njit(cache=True)
def restore(ws: Workspace, snapshot: Snapshot) -> None:
    """Make a workspace continue a saved search; whatever it held is forgotten."""
    clear(ws.tree)
    load_nodes(ws.tree, snapshot.nodes)
    for index in range(snapshot.beam.shape[0]):
        ws.beam[index] = snapshot.beam[index]
        ws.tree.slots[snapshot.beam[index]["node"]] = index
    ws.width[0] = snapshot.beam.shape[0]
    ws.log_scale[0] = snapshot.log_scale


@njit(cache=True)
def beam_nodes(ws: Workspace) -> NDArray[np.int32]:
    """Nodes of the beam."""
    nodes = np.empty(ws.width[0], np.int32)
    for index in range(ws.width[0]):
        nodes[index] = ws.beam[index]["node"]
    return nodes


@njit(cache=True)
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
