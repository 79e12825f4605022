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

from asr.decoding.hashing import ONE, build_table, find_slot
from asr.decoding.jit import Integer, inlined
from asr.decoding.spelling import SET_SIZE, ZERO

OUTSIDE = 0  # the state of having read no beginning of a phrase
BOUNDARY = 0  # the symbol of a word boundary, and as a unit the end of the utterance; the blank is no unit of a text


class PhraseArrays(NamedTuple):
    """Tables of the automaton; the factors are e to credits and boosts."""

    keys: NDArray[np.int64]  # (H,) state * V + unit
    next_states: NDArray[np.int32]  # (H,)
    failures: NDArray[np.int32]  # (S,) longest proper suffix that is a state
    after_boundary: NDArray[np.int32]  # (S,) next state after a boundary; the state itself if it was just read
    movers: NDArray[np.uint64]  # (S,) set of units, modulo 64, that do not lead to OUTSIDE
    credits: NDArray[np.float64]  # (S,) factor of the credit
    refunds: NDArray[np.float64]  # (S,) its reciprocal
    prizes: NDArray[np.float64]  # (S,) factor of the boosts of the phrases that end with the boundary that leads here
    bounds: NDArray[np.float64]  # (S,) highest factor of any arc from here
    begins_word: NDArray[np.bool_]  # (V,) a boundary comes with the unit, before its letters
    has_letters: NDArray[np.bool_]  # (V,) false for a space and for a lone word-start marker
    start: int  # after the boundary that an utterance begins with
    units: int


@inlined
def read_unit(phrases: PhraseArrays, state: Integer, token: Integer) -> tuple[Integer, float]:
    """Next state after a unit, and the factor of the boosts of the phrases that it completed."""
    after: Integer = np.int64(state)
    prize = 1.0
    if token == BOUNDARY or phrases.begins_word[token]:
        after = np.int64(phrases.after_boundary[state])
        if after != state:
            prize = phrases.prizes[after]
    if token != BOUNDARY and phrases.has_letters[token]:
        after = follow(phrases, after, token)
    return after, prize


@inlined
def follow(phrases: PhraseArrays, state: Integer, token: Integer) -> Integer:
    """Next state after a unit with letters."""
    after: Integer = OUTSIDE
    if (phrases.movers[state] >> np.uint64(token & (SET_SIZE - 1))) & ONE != ZERO:
        while state != OUTSIDE:  # every phrase begins with a boundary, so nothing leads away from OUTSIDE
            key = np.int64(state) * phrases.units + token
            slot = find_slot(phrases.keys, key)
            if phrases.keys[slot] == key:
                after = np.int64(phrases.next_states[slot])
                break
            state = np.int64(phrases.failures[state])
    return after


@inlined
def phrase_step(phrases: PhraseArrays, state: Integer, token: Integer) -> Integer:
    """Next state after a unit."""
    return read_unit(phrases, state, token)[0]


@inlined
def phrase_gain(phrases: PhraseArrays, state: Integer, token: Integer) -> float:
    """Factor of reading a unit, or of ending the utterance (token BOUNDARY)."""
    after, prize = read_unit(phrases, state, token)
    gain = prize * phrases.refunds[state]
    return gain if token == BOUNDARY else gain * phrases.credits[after]


def no_phrases(units: int) -> PhraseArrays:
    """An automaton that boosts nothing."""
    keys, values = build_table(np.empty(0, np.int64), np.empty(0, np.int32))
    state, one, never = np.zeros(1, np.int32), np.ones(1), np.zeros(units, np.bool_)
    return PhraseArrays(
        keys, values, state, state, np.zeros(1, np.uint64), one, one, one, one, never, never, OUTSIDE, units
    )
