"""The automaton of boosted phrases, for compiled code (Aho & Corasick 1975). S: states, E: edges, V: units.

A state is the longest suffix of the units read that begins some phrase. Each state has a credit, the part of its
phrase's boost that has been given in advance so that the phrase survives pruning; leaving the phrase refunds it, since
an arc's log-factor is

    boosts of the phrases that it completes + credit(next state) - credit(state)

and the credits cancel over a whole utterance: what remains is the boost of every phrase that occurs.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE
from asr.decoding.knowledge.spelling_graph import SET_SIZE, ZERO, find_edge
from asr.kernels.compile import Integer, inlined
from asr.kernels.hashing import ONE

OUTSIDE = 0  # the state of having read no beginning of a phrase
BOUNDARY = 0  # the symbol of a word boundary, and as a unit the end of the utterance; the blank is no unit of a text


# One record a state, of the size of a line of the core's cache; the factors are e to credits and boosts.
PHRASE_STATE = np.dtype(
    [
        ("movers", np.uint64),  # set of units, modulo 64, that do not lead to OUTSIDE
        ("followers", np.uint64),  # those of them that have an edge here
        ("credit", np.float64),  # factor of the credit
        ("refund", np.float64),  # its reciprocal
        ("prize", np.float64),  # factor of the boosts of the phrases that end with the boundary that leads here
        ("bound", np.float64),  # highest factor of any arc from here
        ("edges", np.int32),  # the first one
        ("failure", np.int32),  # longest proper suffix that is a state
        ("after_boundary", np.int32),  # next state after a boundary; the state itself if it was just read
    ],
    align=True,
)
PHRASE_EDGE = np.dtype([("unit", np.int32), ("target", np.int32), ("credit", np.float64)])  # of the target


class PhraseArrays(NamedTuple):
    """Tables of the automaton."""

    states: NDArray[np.void]  # (S,) PHRASE_STATE
    edges: NDArray[np.void]  # (E,) PHRASE_EDGE, in the order of `spelling.lay_out`; at least one
    begins: NDArray[np.int32]  # (V,) the edge of each unit that leaves `start`, or NONE: so many that a search is long
    begins_word: NDArray[np.bool_]  # (V,) a boundary comes with the unit, before its letters
    has_letters: NDArray[np.bool_]  # (V,) false for a space and for a lone word-start marker
    start: int  # after the boundary that an utterance begins with


@inlined
def read_unit(phrases: PhraseArrays, state: Integer, token: Integer) -> tuple[Integer, float]:
    """Next state after a unit, or after the end of the utterance (token BOUNDARY), and the factor of reading it."""
    after: Integer = np.int64(state)
    gain = phrases.states[state]["refund"]
    if token == BOUNDARY or phrases.begins_word[token]:
        after = np.int64(phrases.states[state]["after_boundary"])
        if after != state:
            gain *= phrases.states[after]["prize"]
    if token != BOUNDARY:
        if phrases.has_letters[token]:
            edge = edge_after(phrases, after, token)
            after = OUTSIDE
            if edge >= 0:
                after = np.int64(phrases.edges[edge]["target"])
                gain *= phrases.edges[edge]["credit"]
        else:
            gain *= phrases.states[after]["credit"]
    return after, gain


@inlined
def edge_after(phrases: PhraseArrays, state: Integer, token: Integer) -> Integer:
    """The edge by which a unit with letters leads on from a state or its longest suffix that has one, or NONE."""
    edge: Integer = NONE
    if (phrases.states[state]["movers"] >> np.uint64(token & (SET_SIZE - 1))) & ONE != ZERO:
        while edge == NONE and state != OUTSIDE:  # every phrase begins with a boundary: nothing leaves OUTSIDE
            record = phrases.states[state]
            if state == phrases.start:
                edge = np.int64(phrases.begins[token])
            else:
                edge = find_edge(phrases.edges, record["followers"], record["edges"], token)
            state = np.int64(record["failure"])
    return edge


@inlined
def phrase_step(phrases: PhraseArrays, state: Integer, token: Integer) -> Integer:
    """Next state after a unit."""
    return read_unit(phrases, state, token)[0]


@inlined
def phrase_gain(phrases: PhraseArrays, state: Integer, token: Integer) -> float:
    """Factor of reading a unit, or of ending the utterance (token BOUNDARY)."""
    return read_unit(phrases, state, token)[1]


def no_phrases(units: int) -> PhraseArrays:
    """An automaton that boosts nothing."""
    states, never = np.zeros(1, PHRASE_STATE), np.zeros(units, np.bool_)
    for factor in ("credit", "refund", "prize", "bound"):
        states[factor] = 1.0
    return PhraseArrays(states, np.zeros(1, PHRASE_EDGE), np.full(units, NONE, np.int32), never, never, OUTSIDE)
