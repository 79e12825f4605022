"""How words are spelled in units, as a graph that the beam search walks unit by unit. S: states, E: edges.

A state stands for the letters (or sounds) read since the word began, so every way to cut a word into BPE pieces leads
to the same state and the same word. State 0 is "no word in progress". The edges that leave a state lie together, in the
order of their units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE, VARIANTS
from asr.errors import DecodingError
from asr.kernels.compile import kernel
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, WORD_START, Units

START = 0  # no word in progress
NO_STATE = -2  # never reached by the search

STATE = np.dtype(
    [
        ("edges", np.int32),  # the first one; the next state has the first that is not this one's
        ("words", np.int32),  # the same of the words that it spells
        ("ahead", np.float64),  # the factor that a prefix has in this state, see `look_ahead`
    ],
    align=True,
)


class SpellingArrays(NamedTuple):
    """The graph for compiled code."""

    states: NDArray[np.void]  # (S + 1,) STATE, the last one only an end
    units: NDArray[np.int32]  # (E,) the unit of each edge
    targets: NDArray[np.int32]  # (E,) the state that it leads to
    words: NDArray[np.int32]  # (number of spellings,) indices of words
    marker_state: int  # after a lone word-start marker: a word has begun but has no letters yet


@dataclass(frozen=True)
class SpellingGraph:
    """Words, the graph that spells them, and the words that the units cannot spell."""

    words: list[str]
    arrays: SpellingArrays
    unspellable: list[str]


@kernel
def find_edge(units: NDArray[np.int32], first: int, end: int, token: int) -> int:
    """Where a unit is among the ascending `units[first:end]`, or NONE."""
    last = end
    while first < end:
        middle = (first + end) >> 1
        if units[middle] < token:
            first = middle + 1
        else:
            end = middle
    return first if first < last and units[first] == token else NONE


@kernel
def spell(
    states: NDArray[np.void], units: NDArray[np.int32], targets: NDArray[np.int32], state: int, token: int
) -> int:
    """State after one more unit, or NONE when no word goes on like this."""
    edge = find_edge(units, np.int64(states[state]["edges"]), np.int64(states[state + 1]["edges"]), token)
    return np.int64(targets[edge]) if edge >= 0 else NONE


@kernel
def count_words(states: NDArray[np.void], state: int) -> int:
    """How many words (homophones) the units read so far spell; 0 outside the graph."""
    return np.int64(states[state + 1]["words"]) - np.int64(states[state]["words"]) if state >= 0 else 0


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
        ends = np.array(self.ends, dtype=np.int64).reshape(-1, 2)
        counts = np.bincount(ends[:, 0], minlength=len(self.states))
        if counts.max() > VARIANTS - 2:
            crowded = [self.words[w] for s, w in self.ends if s == counts.argmax()]
            raise DecodingError(
                "lexicon", f"{len(crowded)} words share one spelling ({crowded[:5]} ...)", "thin it out"
            )
        firsts, tokens, targets = lay_out(self.arcs, self.units, len(self.states))
        states = np.zeros(len(self.states) + 1, STATE)
        states["ahead"] = 1.0
        states["edges"] = firsts
        states["words"][1:] = np.cumsum(counts)
        words = ends[np.argsort(ends[:, 0], kind="stable"), 1].astype(np.int32)
        return SpellingGraph(self.words, SpellingArrays(states, tokens, targets, words, marker_state), self.unspellable)


def lay_out(
    arcs: Mapping[int, int], units: int, states: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.int32]]:
    """Edges as `find_edge` finds them.

    Args:
        arcs: state * V + unit of every edge -> the state that it leads to.
        units: V.
        states: S.

    Returns:
        (S + 1,) the first edge of each state; (E,) units; (E,) targets.
    """
    keys = np.fromiter(arcs.keys(), np.int64, len(arcs))
    targets = np.fromiter(arcs.values(), np.int32, len(arcs))
    order = np.argsort(keys)
    sources, tokens = np.divmod(keys[order], units)
    firsts = np.searchsorted(sources, np.arange(states + 1)).astype(np.int32)
    return firsts, tokens.astype(np.int32), targets[order]
