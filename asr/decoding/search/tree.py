"""The tree of prefixes that a beam search has met: growing, reading and shrinking it. B: beam width, N: nodes.

The same prefix is always the same node, so that paths which read the same add up even when the prefix had left the beam
in between.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE, ROOT, VARIANTS
from asr.decoding.search.state import State
from asr.kernels.compile import Integer, allocating, kernel
from asr.kernels.hashing import EMPTY, ONE, find_place

TOKENS = np.uint64(1 << 24)  # more than any inventory has units
VARIANTS_FACTOR = np.uint64(VARIANTS)


class Snapshot(NamedTuple):
    """A search that has been put aside: only the nodes that its beam still needs."""

    nodes: NDArray[np.void]  # (N,) NODE, parents before children
    beam: NDArray[np.int32]  # (B,) the node of each prefix in the beam
    blank: NDArray[np.float64]  # (B,)
    label: NDArray[np.float64]  # (B,)
    log_scale: float


@kernel
def arc_key(parent: Integer, token: Integer, variant: Integer) -> Integer:
    """The number of one way to extend a prefix by a unit, never EMPTY."""
    return (np.uint64(parent) * TOKENS + np.uint64(token)) * VARIANTS_FACTOR + np.uint64(variant) + ONE


@kernel
def find_child(keys: NDArray[np.uint64], children: NDArray[np.int32], key: Integer) -> int:
    """The node that an arc leads to, or NONE."""
    place = find_place(keys, keys.shape[0], key)
    return np.int64(children[place]) if keys[place] == key else NONE


@kernel
def add_child(state: State, node: NDArray[np.void]) -> int:
    """Append a node that the tree does not have yet."""
    index = state.size[0]
    state.size[0] += 1
    state.nodes[index] = node
    key = arc_key(np.int64(node["parent"]), np.int64(node["token"]), np.int64(node["variant"]))
    place = find_place(state.child_keys, state.child_keys.shape[0], key)
    state.child_keys[place] = key
    state.children[place] = index
    return index


@allocating
def save(state: State) -> tuple[NDArray[np.void], NDArray[np.int32], NDArray[np.float64], NDArray[np.float64], float]:
    """Copy out what the search needs to go on, the fields of a `Snapshot`; the state is not changed."""
    width = state.width[0]
    renumbered = np.full(state.size[0], NONE, np.int32)
    renumbered[ROOT] = 0
    for slot in range(width):
        node = np.int64(state.beam[slot])
        while renumbered[node] == NONE:
            renumbered[node] = 0
            node = np.int64(state.nodes[node]["parent"])
    count = 0
    for node in range(state.size[0]):
        if renumbered[node] != NONE:
            renumbered[node] = count
            count += 1
    kept = np.empty(count, state.nodes.dtype)
    for node in range(state.size[0]):
        if renumbered[node] != NONE:
            kept[renumbered[node]] = state.nodes[node]
            if node != ROOT:
                kept[renumbered[node]]["parent"] = renumbered[state.nodes[node]["parent"]]
    beam = renumbered[state.beam[:width]]
    return kept, beam, state.blank[:width].copy(), state.label[:width].copy(), state.log_scale[0]


@kernel
def restore(
    state: State, nodes: NDArray[np.void], beam: NDArray[np.int32], blank: NDArray[np.float64],
    label: NDArray[np.float64], log_scale: float,
) -> None:  # fmt: skip
    """Go on with a saved search, or begin one from its root; whatever the state held is forgotten."""
    state.child_keys[:] = EMPTY
    state.size[0] = 1
    state.nodes[ROOT] = nodes[ROOT]
    for index in range(1, nodes.shape[0]):
        add_child(state, nodes[index])
    for index in range(nodes.shape[0]):
        state.nodes[index]["slot"] = NONE
    for slot in range(beam.shape[0]):
        state.beam[slot] = beam[slot]
        state.nodes[beam[slot]]["slot"] = slot
        state.blank[slot] = blank[slot]
        state.label[slot] = label[slot]
    state.width[0] = beam.shape[0]
    state.log_scale[0] = log_scale


@allocating
def trace(nodes: NDArray[np.void], leaf: int) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], float]:
    """Read a prefix of L units.

    Returns:
        (L,) units; (L,) lexicon word that each unit ended, or NONE; (L,) variant of each; and the natural log of the
        product of their factors.
    """
    length = 0
    node = leaf
    while node != ROOT:
        length += 1
        node = np.int64(nodes[node]["parent"])
    tokens = np.empty(length, np.int32)
    words = np.empty(length, np.int32)
    variants = np.empty(length, np.int32)
    log_gain = 0.0
    node = leaf
    while node != ROOT:
        length -= 1
        tokens[length] = nodes[node]["token"]
        words[length] = nodes[node]["word"]
        variants[length] = nodes[node]["variant"]
        log_gain += np.log(nodes[node]["gain"])
        node = np.int64(nodes[node]["parent"])
    return tokens, words, variants, log_gain


def begin(root: NDArray[np.void]) -> Snapshot:
    """The search before the first frame: only the empty prefix, with probability 1.

    Args:
        root: (1,) NODE, see `factors.root`.
    """
    return Snapshot(root, np.zeros(1, np.int32), np.ones(1), np.zeros(1), 0.0)


def stable_tokens(snapshot: Snapshot) -> list[int]:
    """Units that every prefix of the beam begins with: whatever comes, they will not change."""
    parents = snapshot.nodes["parent"]
    ancestor = int(snapshot.beam[0])
    for other in map(int, snapshot.beam[1:]):
        while ancestor != other:  # parents have smaller numbers than children
            if ancestor > other:
                ancestor = int(parents[ancestor])
            else:
                other = int(parents[other])
    tokens = []
    while ancestor != ROOT:
        tokens.append(int(snapshot.nodes["token"][ancestor]))
        ancestor = int(parents[ancestor])
    return tokens[::-1]
