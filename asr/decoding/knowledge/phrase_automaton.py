"""The automaton of boosted phrases, for compiled code (Aho & Corasick 1975). S: states, E: edges, V: units.

A state is the longest suffix of the units read that begins some phrase. Each state has a credit, the part of its
phrase's boost that has been given in advance so that the phrase survives pruning; leaving the phrase refunds it, since
an arc's log-factor is

    boosts of the phrases that it completes + credit(next state) - credit(state)

and the credits cancel over a whole utterance: what remains is the boost of every phrase that occurs.
"""

from __future__ import annotations

from typing import NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE
from asr.decoding.knowledge.spelling_graph import find_edge
from asr.kernels.compile import kernel

OUTSIDE = 0  # the state of having read no beginning of a phrase
# The symbol of a word boundary, and as a unit the end of the utterance: the blank is no unit of a text. A plain 0 would
# have a type of its own, for which numba would compile once more.
BOUNDARY: int = cast("int", np.int64(0))

PHRASE_STATE = np.dtype(
    [
        ("credit", np.float64),  # e to the credit
        ("prize", np.float64),  # e to the boosts of the phrases that end with the boundary that leads here
        ("bound", np.float64),  # highest factor of any arc from here
        ("edges", np.int32),  # the first one; the next state has the first that is not this one's
        ("failure", np.int32),  # longest proper suffix that is a state
        ("after_boundary", np.int32),  # next state after a boundary; the state itself if it was just read
    ],
    align=True,
)


class PhraseArrays(NamedTuple):
    """Tables of the automaton."""

    boosted: bool  # whether there are any phrases
    states: NDArray[np.void]  # (S + 1,) PHRASE_STATE, the last one only an end
    units: NDArray[np.int32]  # (E,) the unit of each edge, ascending within a state
    targets: NDArray[np.int32]  # (E,) the state that it leads to
    begins_word: NDArray[np.bool_]  # (V,) a boundary comes with the unit, before its letters
    has_letters: NDArray[np.bool_]  # (V,) false for a space and for a lone word-start marker
    start: int  # after the boundary that an utterance begins with


@kernel
def read_phrase(phrases: PhraseArrays, state: int, token: int) -> tuple[int, float]:
    """Next state after a unit, or after the end of the utterance (token BOUNDARY), and the factor of reading it."""
    after = state
    gain = 1.0 / phrases.states[state]["credit"]
    if token == BOUNDARY or phrases.begins_word[token]:
        after = np.int64(phrases.states[state]["after_boundary"])
        if after != state:
            gain *= phrases.states[after]["prize"]
    if token != BOUNDARY:
        if phrases.has_letters[token]:
            after = follow(phrases, after, token)
        gain *= phrases.states[after]["credit"]
    return after, gain


@kernel
def follow(phrases: PhraseArrays, state: int, token: int) -> int:
    """The state to which a unit with letters leads from a state or from its longest suffix that has such an edge."""
    while state != OUTSIDE:  # every phrase begins with a boundary: nothing else leaves OUTSIDE
        first, end = np.int64(phrases.states[state]["edges"]), np.int64(phrases.states[state + 1]["edges"])
        edge = find_edge(phrases.units, first, end, token)
        if edge != NONE:
            return np.int64(phrases.targets[edge])
        state = np.int64(phrases.states[state]["failure"])
    return OUTSIDE


@kernel
def phrase_bound(phrases: PhraseArrays, state: int) -> float:
    """No arc from a state has a higher factor."""
    return phrases.states[state]["bound"]


def no_phrases(units: int) -> PhraseArrays:
    """An automaton that boosts nothing."""
    states, never = np.zeros(2, PHRASE_STATE), np.zeros(units, np.bool_)
    for factor in ("credit", "prize", "bound"):
        states[factor] = 1.0
    none = np.zeros(1, np.int32)
    return PhraseArrays(False, states, none, none.copy(), never, never.copy(), OUTSIDE)
