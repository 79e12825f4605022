"""Prefixes that another one with the same future outdoes for good, so that the best text does not need them."""

from __future__ import annotations

import numpy as np

from asr.decoding.knowledge.prefixes import NONE, ROOT, WINDOW
from asr.decoding.knowledge.texts import NO_SEPARATOR
from asr.decoding.search.recombination import leader_of
from asr.decoding.search.workspace import Workspace
from asr.kernels.compile import Integer, inlined

FEWEST = 3  # prefixes in the beam; among fewer, looking for those that are outdone does not pay


@inlined
def mark_outdone(ws: Workspace, separator: int, beam_ratio: float) -> bool:
    """Rank prefixes of the beam that another one outdoes 0 and all others 1; returns whether there are any of them."""
    ws.stamp[0] += 1
    alike = 0
    for index in range(ws.width[0]):
        place = leader_of(ws, ws.beam[index]["future"])
        best = np.int64(ws.leaders[place]["family"])
        ws.families[index] = place
        if best == NONE:
            ws.leaders[place]["family"] = index
            continue
        alike += 1
        if ws.blank[index] + ws.label[index] > ws.blank[best] + ws.label[best]:
            ws.leaders[place]["family"] = index
    return alike > 0 and mark_worse(ws, separator, beam_ratio)


@inlined
def mark_worse(ws: Workspace, separator: int, beam_ratio: float) -> bool:
    """`mark_outdone`, when the place of each prefix's future is in `ws.families` and the best one with it there."""
    shortest = ws.tree.nodes.shape[0]
    for index in range(ws.width[0]):
        ws.ranks[index] = 1.0
        ws.groups[index] = 0
        shortest = min(shortest, ws.tree.nodes[ws.beam[index]["node"]]["length"])
    for index in range(ws.width[0]):
        parent = ws.beam[index]["parent"]
        while parent >= 0 and ws.tree.slots[parent] < 0 and ws.tree.nodes[parent]["length"] > shortest:
            parent = ws.tree.nodes[parent]["parent"]
        slot = ws.tree.slots[parent] if parent >= 0 else NONE
        if slot >= 0:
            ws.groups[slot] = 1  # another one begins with it
    found = False
    for index in range(ws.width[0]):
        best = np.int64(ws.leaders[ws.families[index]]["family"])
        if best != index and outdoes(ws, best, index, shortest, separator, beam_ratio):
            ws.ranks[index] = 0.0
            found = True
    return found


@inlined
def outdoes(ws: Workspace, better: Integer, worse: Integer, shortest: int, separator: int, beam_ratio: float) -> bool:
    """Whether an entry of the beam stays ahead of another one with the same future, whatever comes.

    It does if it has at least as much probability of either kind, and if the same holds, times the factors of the arcs
    from there, of the prefixes that are one, two, ... units shorter, from which the other one may still receive. They
    are asked for WINDOW units back: with more than that many units over `shortest`, the fewest in the beam, the answer
    is no. The last of them need not end in the same unit, and what goes on in one need not be matched by what goes on
    in the other: there it has to be less than the beam would keep, and no separator may go unheard. The answer is also
    no if something in the beam begins with the other entry, as that would lose what it is still to receive.

    Args:
        better, worse: places in the beam.
        separator: see `TextArrays`.
    """
    nodes = ws.tree.nodes
    ahead, behind = np.int64(ws.beam[better]["node"]), np.int64(ws.beam[worse]["node"])
    if ws.groups[worse] != 0 or nodes[behind]["length"] - WINDOW > shortest:
        return False
    gain, other_gain = 1.0, 1.0
    for _ in range(WINDOW + 1):
        if ahead == behind:
            return bool(gain >= other_gain)
        first, second = ws.tree.slots[ahead], ws.tree.slots[behind]
        if second >= 0:
            if first < 0 or ws.blank[first] * gain < ws.blank[second] * other_gain:
                return False
            last = np.int64(nodes[behind]["token"])
            same = nodes[ahead]["token"] == last
            if not same and separator != NO_SEPARATOR and (last == separator or behind == ROOT):
                return False
            most = ws.label[first] if same else ws.blank[first] * beam_ratio
            if most * gain < ws.label[second] * other_gain:
                return False
        gain *= nodes[ahead]["gain"]
        other_gain *= nodes[behind]["gain"]
        ahead, behind = np.int64(nodes[ahead]["parent"]), np.int64(nodes[behind]["parent"])
    return True
