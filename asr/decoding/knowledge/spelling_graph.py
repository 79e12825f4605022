"""How words are spelled in units, as a graph that the beam search walks unit by unit. S: states, E: edges.

A state stands for the letters (or sounds) read since the word began, so every way to cut a word into BPE pieces leads
to the same state and the same word. State 0 is "no word in progress".

The edges that leave a state lie together, in the order of their units modulo 64; a set of these remainders tells both
which units may follow and where an edge is, so that a step of the search reads two places of memory. From a state that
many of a large inventory's units leave, several would have the same remainder; those states come first, and have a row
each in a table of all units.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NONE, VARIANTS
from asr.errors import DecodingError
from asr.kernels.compile import Integer, bits_set, inlined
from asr.kernels.hashing import ONE
from asr.units import BLANK_SYMBOL, UNKNOWN_SYMBOL, WORD_START, Units

START = 0  # no word in progress
NO_STATE = -2  # never reached by the search
SET_SIZE = 64  # bits of a set of units
CROWDED = 32  # units of more than SET_SIZE: a state that so many leave has a row
ZERO = np.uint64(0)


STATE = np.dtype(
    [
        ("followers", np.uint64),  # set of units, modulo 64, that lead on
        ("edges", np.int32),  # the first one
        ("words", np.int32),  # it spells the words words[words : words + homophones]
        ("homophones", np.int32),
        ("lm_word", np.int32),  # what the language model knows the first of them as
        ("ahead", np.float64),  # the factor that a prefix has in this state, see `look_ahead`
    ],
    align=True,
)
EDGE = np.dtype([("unit", np.int32), ("target", np.int32)])  # LAST is added to the last unit of a remainder
LAST = 1 << 30


class SpellingArrays(NamedTuple):
    """The graph for compiled code."""

    states: NDArray[np.void]  # (S,) STATE
    edges: NDArray[np.void]  # (E,) EDGE; at least one, so that it is never empty
    rows: NDArray[np.int32]  # (R, V) where each unit leads from the first R states, or NONE; at least from START
    words: NDArray[np.int32]  # (number of spellings,) indices of words
    marker_state: int  # after a lone word-start marker: a word has begun but has no letters yet
    units: int


def with_lm_words(graph: SpellingArrays, lexicon_words: NDArray[np.int32]) -> SpellingArrays:
    """The graph with the language model's words in its states; `lexicon_words` has that of each word."""
    states = graph.states.copy()
    spelled = states["homophones"] > 0
    states["lm_word"][spelled] = lexicon_words[graph.words[states["words"][spelled]]]
    return graph._replace(states=states)


@dataclass(frozen=True)
class SpellingGraph:
    """Words, the graph that spells them, and the words that the units cannot spell."""

    words: list[str]
    arrays: SpellingArrays
    unspellable: list[str]


@inlined
def spell(graph: SpellingArrays, state: Integer, token: Integer) -> Integer:
    """State after one more unit, or NONE when no word goes on like this."""
    return follow(graph, state, graph.states[state]["followers"], graph.states[state]["edges"], token)


@inlined
def first_edge(followers: Integer, first: Integer, token: Integer) -> Integer:
    """Where the edge over which a unit leads is, or a few places further on if several units have its remainder."""
    place = np.uint64(token & (SET_SIZE - 1))
    return np.uint64(first) + np.uint64(bits_set(followers & ((ONE << place) - ONE)))


@inlined
def find_edge(edges: NDArray[np.void], followers: Integer, first: Integer, token: Integer) -> Integer:
    """Where the edge over which a unit leads is, or NONE.

    Args:
        edges: laid out by `lay_out`.
        followers: set of units that leave the state.
        first: the state's first edge.
        token: the unit.
    """
    place = np.uint64(token & (SET_SIZE - 1))
    if (followers >> place) & ONE == ZERO:
        return NONE
    index = first_edge(followers, first, token)
    while np.uint64(edges[index]["unit"] & (SET_SIZE - 1)) < place:  # several units with one remainder
        index += ONE
    while True:
        unit = edges[index]["unit"]
        if unit == token or unit == token + LAST:
            return np.int64(index)
        if unit >= LAST:
            return NONE
        index += ONE


@inlined
def follow(graph: SpellingArrays, state: Integer, followers: Integer, first: Integer, token: Integer) -> Integer:
    """`spell` from a state of which the set of followers and the first edge are at hand."""
    if state < graph.rows.shape[0]:
        return np.int64(graph.rows[state, token])
    edge = find_edge(graph.edges, followers, first, token)
    return np.int64(graph.edges[edge]["target"]) if edge >= 0 else NONE


@inlined
def goes_on(graph: SpellingArrays, state: Integer, followers: Integer, first: Integer, token: Integer) -> bool:
    """Whether some word goes on from a state with a unit, first by the set of followers."""
    if (followers >> np.uint64(token & (SET_SIZE - 1))) & ONE == ZERO:
        return False
    return graph.units <= SET_SIZE or follow(graph, state, followers, first, token) >= 0


@inlined
def count_words(graph: SpellingArrays, state: Integer) -> Integer:
    """How many words (homophones) the units read so far spell; 0 outside the graph."""
    return np.int64(graph.states[state]["homophones"]) if state >= 0 else 0


def edges_of(graph: SpellingArrays) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Where each edge leaves, its unit, and where it enters: three times (E,)."""
    count = int(graph.edges["unit"].astype(bool).sum())  # a graph without edges has one with the blank
    starts = np.append(graph.states["edges"], count)
    sources = np.repeat(np.arange(len(graph.states)), np.diff(starts))
    return sources, graph.edges["unit"][:count] % LAST, graph.edges["target"][:count].astype(np.int64)


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
        ends = np.array(self.ends, dtype=np.int64).reshape(-1, 2)
        sources, tokens = np.divmod(keys, self.units)
        numbers, crowded_states = crowded_first(sources, self.units, len(self.states))
        keys, targets = numbers[sources] * self.units + tokens, numbers[targets].astype(np.int32)
        ends[:, 0] = numbers[ends[:, 0]]
        order = np.argsort(ends[:, 0], kind="stable")
        counts = np.bincount(ends[:, 0], minlength=len(self.states))
        if counts.max() > VARIANTS - 2:
            crowded = [self.words[w] for s, w in self.ends if s == counts.argmax()]
            raise DecodingError(
                "lexicon", f"{len(crowded)} words share one spelling ({crowded[:5]} ...)", "thin it out"
            )
        states, edges = lay_out(keys, targets, self.units, len(self.states))
        states["words"] = np.cumsum(counts) - counts
        states["homophones"] = counts
        arrays = SpellingArrays(
            states,
            edges,
            rows_of(states, edges, self.units, crowded_states),
            ends[order, 1].astype(np.int32),
            int(numbers[marker_state]) if marker_state >= 0 else marker_state,
            self.units,
        )
        return SpellingGraph(self.words, arrays, self.unspellable)


def empty_graph(units: int) -> SpellingArrays:
    """A graph without words, for searches that need none."""
    states, edges = lay_out(np.empty(0, np.int64), np.empty(0, np.int32), units, 1)
    return SpellingArrays(states, edges, rows_of(states, edges, units, 1), np.zeros(1, np.int32), NO_STATE, units)


def lay_out(
    keys: NDArray[np.int64], targets: NDArray[np.int32], units: int, count: int
) -> tuple[NDArray[np.void], NDArray[np.void]]:
    """Edges in the order in which `follow` finds them, and states that say where theirs begin.

    Args:
        keys: (E,) state * V + unit of every edge.
        targets: (E,) where it leads.
        units: V.
        count: S.
    """
    sources, tokens = np.divmod(keys, units)
    order = np.lexsort((tokens, tokens % SET_SIZE, sources))
    groups = (sources * SET_SIZE + tokens % SET_SIZE)[order]
    edges = np.zeros(max(1, len(keys)), EDGE)
    edges["unit"][: len(keys)] = tokens[order] + LAST * (np.diff(groups, append=-1) != 0)
    edges["target"][: len(keys)] = targets[order]
    degrees = np.bincount(sources, minlength=count)
    states = np.zeros(count, STATE)
    states["ahead"] = 1.0
    states["edges"] = np.cumsum(degrees) - degrees
    states["followers"] = unit_sets(keys, units, count)
    return states, edges


def crowded_first(sources: NDArray[np.int64], units: int, count: int) -> tuple[NDArray[np.int64], int]:
    """New numbers of the states, those that many units leave before the others, START the first of all.

    Args:
        sources: (E,) where every edge leaves.
        units: V.
        count: S.

    Returns:
        (S,) the new number of each state; and how many states come first, START among them.
    """
    crowded = (np.bincount(sources, minlength=count) >= CROWDED) & (units > SET_SIZE)
    crowded[START] = True
    numbers = np.empty(count, np.int64)
    numbers[np.argsort(~crowded, kind="stable")] = np.arange(count)
    return numbers, int(crowded.sum())


def rows_of(states: NDArray[np.void], edges: NDArray[np.void], units: int, count: int) -> NDArray[np.int32]:
    """The edges that leave the first states as a table, (R, V): the state that each unit leads to, or NONE.

    Args:
        states: of `lay_out`.
        edges: of `lay_out`.
        units: V.
        count: R.
    """
    rows = np.full((count, units), NONE, np.int32)
    end = int(states["edges"][count]) if count < len(states) else int((edges["unit"] > 0).sum())
    degrees = np.diff(states["edges"][:count], append=end)
    rows[np.repeat(np.arange(count), degrees), edges["unit"][:end] % LAST] = edges["target"][:end]
    return rows


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
