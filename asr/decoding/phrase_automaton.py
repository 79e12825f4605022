"""The automaton of boosted phrases, for compiled code (Aho & Corasick 1975). S: states, H: hash slots, V: units.

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

from asr.decoding.hashing import build_table, find_slot
from asr.decoding.jit import Integer, inlined, kernel

OUTSIDE = 0  # the state of having read no beginning of a phrase
BOUNDARY = 0  # the symbol of a word boundary, and as a unit the end of the utterance; the blank is no unit of a text


class PhraseArrays(NamedTuple):
    """Tables of the automaton."""

    keys: NDArray[np.int64]  # (H,) state * V + unit
    next_states: NDArray[np.int32]  # (H,)
    failures: NDArray[np.int32]  # (S,) longest proper suffix that is a state
    credits: NDArray[np.float64]  # (S,) natural log
    completed: NDArray[np.float64]  # (S,) boosts of the phrases that end here, natural log
    bounds: NDArray[np.float64]  # (S,) highest factor of any arc from here
    begins_word: NDArray[np.bool_]  # (V,) a boundary comes with the unit, before its letters
    has_letters: NDArray[np.bool_]  # (V,) false for a space and for a lone word-start marker
    after_boundary: NDArray[np.bool_]  # (S,) the last symbol read was a boundary: another one changes nothing
    start: int  # after the boundary that an utterance begins with
    units: int


@kernel
def follow(phrases: PhraseArrays, state: Integer, symbol: Integer) -> Integer:
    """Next state after a unit or a boundary."""
    while state != OUTSIDE:
        key = np.int64(state) * phrases.units + symbol
        slot = find_slot(phrases.keys, key)
        if phrases.keys[slot] == key:
            return np.int64(phrases.next_states[slot])
        state = np.int64(phrases.failures[state])
    # every phrase begins with a boundary, so nothing else leads in
    return np.int64(phrases.start if symbol == BOUNDARY else OUTSIDE)


@inlined
def read_unit(phrases: PhraseArrays, state: Integer, token: Integer) -> tuple[Integer, float]:
    """Next state after a unit, and the boosts of the phrases that it completed."""
    boost = 0.0
    if (token == BOUNDARY or phrases.begins_word[token]) and not phrases.after_boundary[state]:
        state = follow(phrases, state, BOUNDARY)
        boost += phrases.completed[state]
    if token != BOUNDARY and phrases.has_letters[token]:
        state = follow(phrases, state, token)
    return state, boost


@inlined
def phrase_step(phrases: PhraseArrays, state: Integer, token: Integer) -> Integer:
    """Next state after a unit."""
    return read_unit(phrases, np.int64(state), token)[0]


@inlined
def phrase_gain(phrases: PhraseArrays, state: Integer, token: Integer) -> float:
    """Factor of reading a unit, or of ending the utterance (token BOUNDARY)."""
    after, boost = read_unit(phrases, np.int64(state), token)
    change = boost - phrases.credits[state]
    if token != BOUNDARY:
        change += phrases.credits[after]
    return 1.0 if change == 0.0 else np.exp(change)


def no_phrases(units: int) -> PhraseArrays:
    """An automaton that boosts nothing."""
    keys, values = build_table(np.empty(0, np.int64), np.empty(0, np.int32))
    zero, never = np.zeros(1), np.zeros(units, np.bool_)
    return PhraseArrays(
        keys, values, np.zeros(1, np.int32), zero, zero, np.ones(1), never, never, np.zeros(1, np.bool_), OUTSIDE, units
    )
