"""The tree of prefixes: a node for each prefix, found again, saved without what leads nowhere, and read."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.knowledge.factors import root
from asr.decoding.knowledge.prefixes import NODE, NONE, ROOT
from asr.decoding.knowledge.tables import Weights, build_knowledge
from asr.decoding.search.state import make_state
from asr.decoding.search.tree import (
    Snapshot,
    add_child,
    arc_key,
    begin,
    find_child,
    restore,
    save,
    stable_tokens,
    trace,
)
from asr.units import BLANK_SYMBOL, Units

ARCS = st.lists(st.tuples(st.integers(0, 30), st.sampled_from([1, 2, 3, 9]), st.integers(0, 2)), max_size=60)
START = begin(root(build_knowledge(Units("characters", [BLANK_SYMBOL, "a"]), Weights()).fusion))


def child_of(state, parent, token, variant):
    return find_child(state.child_keys, state.children, arc_key(parent, token, variant))


def grown(arcs):
    """A tree of these arcs (parent, modulo the nodes there are; token; variant), and its nodes as a dictionary."""
    state = make_state(10, 4, 100)
    restore(state, *START)
    known = {}
    for place, token, variant in arcs:
        arc = (place % int(state.size[0]), token, variant)
        assert child_of(state, *arc) == known.get(arc, NONE)
        if arc not in known:
            new = np.zeros(1, NODE)
            new["parent"], new["token"], new["variant"], new["gain"] = *arc, 0.5
            known[arc] = int(add_child(state, new[0]))
    return state, known


def tokens_to(known, node):
    """The units on the way to a node."""
    steps = {child: (parent, token) for (parent, token, _), child in known.items()}
    tokens = []
    while node != ROOT:
        node, token = steps[node]
        tokens.append(token)
    return tokens[::-1]


@settings(deadline=None, max_examples=40)  # compiling is slow
@given(ARCS)
def test_a_prefix_is_always_the_same_node(arcs):
    state, known = grown(arcs)
    assert int(state.size[0]) == 1 + len(known)
    for (parent, token, variant), node in known.items():
        assert child_of(state, parent, token, variant) == node
        tokens, _, _, log_gain = trace(state.nodes, node)
        assert tokens.tolist() == tokens_to(known, node)
        np.testing.assert_allclose(log_gain, len(tokens) * np.log(0.5))
        assert child_of(state, parent, token, variant + 3) == NONE


@settings(deadline=None, max_examples=40)  # compiling is slow
@given(ARCS, st.sets(st.integers(0, 60), min_size=1, max_size=4))
def test_what_is_saved_and_restored_is_found_again(arcs, leaves):
    """Only the nodes on the way to those in the beam are saved; the others may be made anew."""
    state, known = grown(arcs)
    beam = sorted({leaf % int(state.size[0]) for leaf in leaves})
    state.beam[: len(beam)], state.width[0] = beam, len(beam)
    saved = Snapshot(*save(state))
    other = make_state(10, 4, 100)
    restore(other, *saved)
    assert int(other.size[0]) == len(saved.nodes) <= int(state.size[0])
    for leaf, node in zip(beam, saved.beam.tolist(), strict=True):
        assert trace(other.nodes, node)[0].tolist() == tokens_to(known, leaf)
        assert other.beam[other.nodes[node]["slot"]] == node
    for node in range(1, len(saved.nodes)):
        record = saved.nodes[node]
        assert record["parent"] < node
        assert child_of(other, int(record["parent"]), int(record["token"]), int(record["variant"])) == node


@settings(deadline=None, max_examples=40)  # compiling is slow
@given(ARCS, st.sets(st.integers(0, 60), min_size=1, max_size=4))
def test_stable_units_are_those_that_every_prefix_of_the_beam_begins_with(arcs, leaves):
    state, known = grown(arcs)
    beam = sorted({leaf % int(state.size[0]) for leaf in leaves})
    state.beam[: len(beam)], state.width[0] = beam, len(beam)
    paths = []
    for leaf in beam:
        path = [leaf]
        while path[0] != ROOT:
            path.insert(0, int(state.nodes[path[0]]["parent"]))
        paths.append(path)
    shared = [nodes[0] for nodes in zip(*paths, strict=False) if len(set(nodes)) == 1]
    assert stable_tokens(Snapshot(*save(state))) == tokens_to(known, shared[-1])
