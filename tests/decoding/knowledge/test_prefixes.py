"""The tree of prefixes: a node for each prefix, found again through its parent's list."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.knowledge.factors import set_root
from asr.decoding.knowledge.prefixes import (
    NONE,
    ROOT,
    TOKEN_BITS,
    WINDOW,
    add_child,
    extract,
    find_child,
    load_nodes,
    make_tree,
    reachable,
    trace,
)
from asr.decoding.knowledge.tables import no_knowledge
from asr.decoding.search.pinned import read_only
from asr.kernels.compile import kernel

TOKENS = st.sampled_from([1, 2, 3, 4, 9, 64 + 1, 64 + 3, 128 + 1])  # some have the same place in the set of children
ARCS = st.lists(st.tuples(st.integers(0, 30), TOKENS, st.integers(0, 2)), max_size=60)


@kernel
def child_of(tree, parent, token, variant):
    return find_child(tree, parent, token, variant)


@kernel
def new_child(tree, parent, token, variant):
    return add_child(tree, parent, token, variant, 0.5)


def grown(arcs):
    """A tree of these arcs (parent, modulo the nodes there are; token; variant), and its nodes as a dictionary."""
    tree = make_tree(100)
    set_root(read_only(no_knowledge(10)), tree)
    known = {}
    for place, token, variant in arcs:
        arc = (place % int(tree.size[0]), token, variant)
        found = child_of(tree, *arc)
        assert found == known.get(arc, NONE)
        if found == NONE:
            known[arc] = int(new_child(tree, *arc))
    return tree, known


def tokens_to(known, node):
    """The units on the way to a node."""
    steps = {child: (parent, token) for (parent, token, _), child in known.items()}
    tokens = []
    while node != ROOT:
        node, token = steps[node]
        tokens.append(token)
    return tokens[::-1]


@settings(deadline=None)  # compiling is slow
@given(ARCS)
def test_a_prefix_is_always_the_same_node(arcs):
    tree, known = grown(arcs)
    assert int(tree.size[0]) == 1 + len(known)
    for (parent, token, variant), node in known.items():
        assert child_of(tree, parent, token, variant) == node
        assert trace(tree, node)[0].tolist() == tokens_to(known, node)
        assert child_of(tree, parent, token, variant + 3) == NONE


@settings(deadline=None)  # compiling is slow
@given(ARCS)
def test_a_node_knows_its_last_units(arcs):
    tree, known = grown(arcs)
    for node in known.values():
        window = 0
        for token in tokens_to(known, node)[-WINDOW:]:
            window = (window << int(TOKEN_BITS)) + token
        assert int(tree.nodes[node]["window"]) == window


@settings(deadline=None)  # compiling is slow
@given(ARCS, st.sets(st.integers(0, 60), min_size=1, max_size=4))
def test_what_is_saved_and_loaded_is_found_again(arcs, leaves):
    """Only the nodes on the way to the kept ones are saved; the others may be made anew."""
    tree, known = grown(arcs)
    kept = sorted({leaf % int(tree.size[0]) for leaf in leaves})
    beam = np.zeros(len(kept), [("node", np.int32)])
    beam["node"] = kept
    renumbered = reachable(tree, beam)
    other = make_tree(100)
    load_nodes(other, extract(tree, renumbered))
    for leaf in kept:
        assert trace(other, int(renumbered[leaf]))[0].tolist() == tokens_to(known, leaf)
    for (parent, token, variant), node in known.items():
        if renumbered[parent] != NONE:
            assert child_of(other, int(renumbered[parent]), token, variant) == renumbered[node]
