"""How words are spelled in units, as a graph that the beam search walks unit by unit. S: states, H: hash slots.

A state stands for the letters (or sounds) read since the word began, so every way to cut a word into BPE pieces leads
to the same state and the same word. State 0 is "no word in progress".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.hashing import ONE, build_table, find_slot
from asr.decoding.jit import Integer, inlined
from asr.decoding.prefix_tree import NONE, VARIANTS
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, WORD_START, Units

START = 0  # no word in progress
NO_STATE = -2  # never reached by the search
SET_SIZE = 64  # bits of a set of units
ZERO = np.uint64(0)


class SpellingArrays(NamedTuple):
    """The graph for compiled code."""

    keys: NDArray[np.int64]  # (H,) state * V + token
    next_states: NDArray[np.int32]  # (H,)
    offsets: NDArray[np.int32]  # (S + 1,) the words spelled by state s are words[offsets[s]:offsets[s + 1]]
    words: NDArray[np.int32]  # (number of spellings,) indices of words
    followers: NDArray[np.uint64]  # (S,) set of units, modulo 64, that lead on from a state
    marker_state: int  # after a lone word-start marker: a word has begun but has no letters yet
    units: int


@dataclass(frozen=True)
class SpellingGraph:
    """Words, the graph that spells them, and the words that the units cannot spell."""

    words: list[str]
    arrays: SpellingArrays
    unspellable: list[str]


@inlined
def spell(graph: SpellingArrays, state: Integer, token: Integer) -> Integer:
    """State after one more unit, or NONE when no word goes on like this."""
    key = np.int64(state) * graph.units + token
    slot = find_slot(graph.keys, key)
    return graph.next_states[slot] if graph.keys[slot] == key else NONE


@inlined
def goes_on(graph: SpellingArrays, state: Integer, followers: Integer, token: Integer) -> bool:
    """Whether some word goes on from a state with a unit, first by the state's set of followers."""
    if (followers >> np.uint64(token & (SET_SIZE - 1))) & ONE == ZERO:
        return False
    return graph.units <= SET_SIZE or spell(graph, state, token) >= 0


@inlined
def count_words(graph: SpellingArrays, state: Integer) -> Integer:
    """How many words (homophones) the units read so far spell; 0 outside the graph."""
    if state < 0:
        return 0
    return graph.offsets[state + 1] - graph.offsets[state]


def graph_of_words(words: Iterable[str], units: Units) -> SpellingGraph:
    """Spell words by their letters: character units, or BPE pieces in every possible cut."""
    marker = WORD_START if units.kind == "bpe" else ""
    pieces = {s: i for i, s in enumerate(units.symbols) if s not in (BLANK_SYMBOL, UNKNOWN_SYMBOL, " ")}
    longest = max(map(len, pieces), default=0)
    builder = _Builder(len(units))
    for word in words:
        builder.add_letters(word, marker + word, pieces, longest)
    return builder.graph(builder.states.get(WORD_START, NO_STATE) if marker else NO_STATE)


def graph_of_pronunciations(lexicon: Mapping[str, Sequence[Sequence[str]]], units: Units) -> SpellingGraph:
    """Spell words by given sequences of units; a word may have several, and several words may share one.

    Raises:
        DecodingError: too many words sound the same.
    """
    builder = _Builder(len(units))
    for word, pronunciations in lexicon.items():
        ids = [[units.ids.get(symbol, 0) for symbol in symbols] for symbols in pronunciations]
        builder.add_sequences(word, [sequence for sequence in ids if sequence and 0 not in sequence])
    return builder.graph(builder.states.get((units.ids.get(WORD_START, 0),), NO_STATE))


class _Builder:
    """Collects states (named by what has been read), arcs and words."""

    def __init__(self, units: int) -> None:
        self.units = units
        self.states: dict[object, int] = {"": START}
        self.arcs: dict[int, int] = {}
        self.ends: list[tuple[int, int]] = []  # (state, word)
        self.words: list[str] = []
        self.unspellable: list[str] = []

    def state(self, name: object) -> int:
        return self.states.setdefault(name, len(self.states))

    def add_letters(self, word: str, letters: str, pieces: Mapping[str, int], longest: int) -> None:
        """Add every cut of `letters` into pieces; cuts that lead nowhere are left out."""
        size = len(letters)
        completes = [False] * size + [True]
        cuts: list[tuple[int, int, int]] = []
        for first in range(size - 1, -1, -1):
            for end in range(first + 1, min(first + longest, size) + 1):
                token = pieces.get(letters[first:end])
                if token is not None and completes[end]:
                    completes[first] = True
                    cuts.append((first, end, token))
        if not completes[0] or not size:
            self.unspellable.append(word)
            return
        reached = {0}
        for first, end, token in reversed(cuts):
            if first in reached:
                reached.add(end)
                self.arcs[self.state(letters[:first]) * self.units + token] = self.state(letters[:end])
        self._end(self.state(letters), word)

    def add_sequences(self, word: str, sequences: Iterable[Sequence[int]]) -> None:
        """Add given spellings."""
        spelled = {tuple(sequence) for sequence in sequences}
        if not spelled:
            self.unspellable.append(word)
            return
        for sequence in sorted(spelled):
            for end, token in enumerate(sequence, start=1):
                before = self.state(sequence[: end - 1]) if end > 1 else START
                self.arcs[before * self.units + token] = self.state(sequence[:end])
        for index, sequence in enumerate(sorted(spelled)):
            self._end(self.state(sequence), word, new=index == 0)

    def _end(self, state: int, word: str, new: bool = True) -> None:
        if new:
            self.words.append(word)
        self.ends.append((state, len(self.words) - 1))

    def graph(self, marker_state: int) -> SpellingGraph:
        keys = np.fromiter(self.arcs.keys(), np.int64, len(self.arcs))
        targets = np.fromiter(self.arcs.values(), np.int32, len(self.arcs))
        table_keys, table_values = build_table(keys, targets)
        ends = np.array(self.ends, dtype=np.int64).reshape(-1, 2)
        order = np.argsort(ends[:, 0], kind="stable")
        counts = np.bincount(ends[:, 0], minlength=len(self.states))
        if counts.max() > VARIANTS - 2:
            crowded = [self.words[w] for s, w in self.ends if s == counts.argmax()]
            raise DecodingError(
                "lexicon", f"{len(crowded)} words share one spelling ({crowded[:5]} ...)", "thin it out"
            )
        offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)
        arrays = SpellingArrays(
            table_keys, table_values, offsets, ends[order, 1].astype(np.int32),
            unit_sets(keys, self.units, len(self.states)), marker_state, self.units,
        )  # fmt: skip
        return SpellingGraph(self.words, arrays, self.unspellable)


def empty_graph(units: int) -> SpellingArrays:
    """A graph without words, for searches that need none."""
    keys, values = build_table(np.empty(0, np.int64), np.empty(0, np.int32))
    none = np.zeros(1, np.uint64)
    return SpellingArrays(keys, values, np.zeros(2, np.int32), np.zeros(1, np.int32), none, NO_STATE, units)


def unit_sets(keys: NDArray[np.int64], units: int, states: int) -> NDArray[np.uint64]:
    """For each state the units that leave it, as bits modulo 64: (S,).

    Args:
        keys: state * V + unit of every arc.
        units: V.
        states: S.
    """
    sources, tokens = np.divmod(keys, units)
    sets = np.zeros(states, np.uint64)
    np.bitwise_or.at(sets, sources, np.uint64(1) << (tokens % SET_SIZE).astype(np.uint64))
    return sets
