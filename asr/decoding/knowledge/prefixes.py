"""The tree of prefixes that a beam search has met, in arrays that compiled code can grow, search and shrink.

N: room for nodes, B: beam width. A prefix is a node; its units are read from the node up to the root. The same prefix
is always the same node, so that paths which read the same add up even when the prefix had left the beam in between. The
children of a node are a list: they are few, and a table of all nodes would lie outside the core's cache.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.memo import make_memo
from asr.kernels.compile import Integer, allocating, inlined, kernel

ROOT = 0
NONE = -1
VARIANTS = 64  # ways in which one unit may extend one prefix (homophones that it can finish), plus one
VARIANTS_FACTOR = np.uint64(VARIANTS)
WINDOW = 3  # units: while prefixes differ in the last ones, how probable they are is not settled
TOKEN_BITS = np.uint64(21)
WINDOW_MASK = np.uint64((1 << WINDOW * 21) - 1)
SET_MASK, ONE = np.uint64(63), np.uint64(1)

# One record a node: what the search reads together lies together.
NODE = np.dtype(
    [
        ("gain", np.float64),  # factor of the language model, lexicon and phrases on the arc from the parent
        ("end_gain", np.float64),  # cached factor for finishing the word in progress; below 0: not yet computed
        ("followers", np.uint64),  # set of units, modulo 64, with which the word in progress may go on
        ("window", np.uint64),  # the last WINDOW units
        ("children", np.uint64),  # set of units, modulo 64, of its children
        ("ahead", np.float64),  # factor that it has for the word in progress
        ("leaving", np.float64),  # factor of an arc that leaves the vocabulary inside the word in progress
        ("parent", np.int32),
        ("token", np.uint32),
        ("variant", np.uint32),  # 0: the arc finished no word; h: it finished homophone h - 1
        ("word", np.int32),  # lexicon word that the arc finished, or NONE
        ("spelling", np.int32),  # state of the word in progress in the spelling graph, NONE outside the vocabulary
        ("lm_state", np.int32),
        ("end_state", np.int32),  # cached language-model state after finishing the word in progress
        ("end_word", np.int32),  # cached lexicon word that finishing it gives, or NONE
        ("phrase", np.int32),  # state in the automaton of boosted phrases
        ("edges", np.int32),  # where those of the state in the spelling graph begin
        ("child", np.int32),  # the newest one, or NONE
        ("sibling", np.int32),  # the next older child of the parent, or NONE
        ("length", np.int32),  # units
    ],
    align=True,
)


class PrefixTree(NamedTuple):
    """Nodes; `size[0]` of them are in use."""

    nodes: NDArray[np.void]  # (N,) NODE
    slots: NDArray[np.int32]  # (N,) place in the beam, NONE outside it
    size: NDArray[np.int64]  # (1,)
    memo: NDArray[np.void]  # see `memo`; it outlives the utterance


def make_tree(capacity: int) -> PrefixTree:
    """An empty tree with room for `capacity` nodes."""
    slots = np.full(capacity, NONE, np.int32)
    return PrefixTree(np.zeros(capacity, NODE), slots, np.zeros(1, np.int64), make_memo())


@inlined
def bit_of(token: Integer) -> Integer:
    """A unit as a set, modulo 64."""
    return ONE << (np.uint64(token) & SET_MASK)


@inlined
def find_child(tree: PrefixTree, parent: Integer, token: Integer, variant: Integer) -> Integer:
    """The node that an arc leads to, or NONE."""
    child: Integer = NONE
    if tree.nodes[parent]["children"] & bit_of(token) != 0:  # most arcs are new, and the list is not worth reading
        child = np.int64(tree.nodes[parent]["child"])
    while child >= 0 and (tree.nodes[child]["token"] != token or tree.nodes[child]["variant"] != variant):
        child = np.int64(tree.nodes[child]["sibling"])
    return child


@inlined
def add_child(tree: PrefixTree, parent: Integer, token: Integer, variant: Integer, gain: float) -> Integer:
    """Append a node; the caller has made sure that it is new, and fills in its states."""
    index = np.uint64(tree.size[0])
    tree.size[0] += 1
    node = tree.nodes[index]
    node["parent"] = parent
    node["token"] = token
    node["variant"] = variant
    node["gain"] = gain
    node["end_gain"] = -1.0
    node["window"] = ((tree.nodes[parent]["window"] << TOKEN_BITS) + np.uint64(token)) & WINDOW_MASK
    node["child"] = NONE
    node["children"] = 0
    node["length"] = tree.nodes[parent]["length"] + 1
    adopt(tree, parent, index)
    return index


@inlined
def adopt(tree: PrefixTree, parent: Integer, index: Integer) -> None:
    """Put a node at the head of the list of its parent's children."""
    node = tree.nodes[index]
    node["sibling"] = tree.nodes[parent]["child"]
    tree.nodes[parent]["child"] = index
    tree.nodes[parent]["children"] |= bit_of(node["token"])


@kernel
def load_nodes(tree: PrefixTree, nodes: NDArray[np.void]) -> None:
    """Put a saved tree, parents before children, in the place of whatever was there."""
    for index in range(nodes.shape[0]):
        tree.nodes[index] = nodes[index]
        tree.nodes[index]["child"] = NONE
        tree.nodes[index]["children"] = 0
        tree.slots[index] = NONE
        if index > 0:
            adopt(tree, np.int64(nodes[index]["parent"]), index)
    tree.size[0] = nodes.shape[0]


@allocating
def reachable(tree: PrefixTree, beam: NDArray[np.void]) -> NDArray[np.int32]:
    """New index of every node that is in the beam or an ancestor of one, in the old order; NONE for the others."""
    renumbered = np.full(tree.size[0], NONE, np.int32)
    renumbered[ROOT] = 0
    for index in range(beam.shape[0]):
        node: Integer = np.int64(beam[index]["node"])
        while renumbered[node] == NONE:
            renumbered[node] = 0
            node = np.int64(tree.nodes[node]["parent"])
    count = 0
    for index in range(tree.size[0]):
        if renumbered[index] != NONE:
            renumbered[index] = count
            count += 1
    return renumbered


@allocating
def extract(tree: PrefixTree, renumbered: NDArray[np.int32]) -> NDArray[np.void]:
    """Copy of the kept nodes with their parents renumbered."""
    kept = np.empty(renumbered.max() + 1, tree.nodes.dtype)
    for node in range(tree.size[0]):
        index = renumbered[node]
        if index != NONE:
            kept[index] = tree.nodes[node]
            if index > 0:
                kept[index]["parent"] = renumbered[tree.nodes[node]["parent"]]
    return kept


@allocating
def trace(tree: PrefixTree, leaf: Integer) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32], float]:
    """Read a prefix.

    Returns:
        (L,) tokens; (L,) lexicon word that the arc into each token finished; (L,) variant of each arc; and the natural
        log of the product of the arcs' factors.
    """
    length = 0
    node = np.int64(leaf)
    while node != ROOT:
        length += 1
        node = np.int64(tree.nodes[node]["parent"])
    tokens = np.empty(length, np.int32)
    words = np.empty(length, np.int32)
    variants = np.empty(length, np.int32)
    log_gain = 0.0
    node = np.int64(leaf)
    while node != ROOT:
        length -= 1
        tokens[length] = tree.nodes[node]["token"]
        words[length] = tree.nodes[node]["word"]
        variants[length] = tree.nodes[node]["variant"]
        log_gain += np.log(tree.nodes[node]["gain"])
        node = np.int64(tree.nodes[node]["parent"])
    return tokens, words, variants, log_gain
