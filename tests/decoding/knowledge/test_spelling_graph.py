"""The graph of spellings: every cut of a word leads to the word, and nothing else leads anywhere."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.knowledge.spelling_graph import (
    NO_STATE,
    START,
    STATE,
    SpellingGraph,
    graph_of_pronunciations,
    graph_of_words,
    lay_out,
    spell,
)
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "▁ab", "a", "b", "ba", "abc"], b"unused")
PHONES = Units("characters", [BLANK_SYMBOL, *"xyz"])


def arcs(graph: SpellingGraph) -> dict[tuple[int, int], int]:
    """(state, unit) -> next state, read off the edges."""
    arrays = graph.arrays
    sources = np.repeat(np.arange(len(arrays.states) - 1), np.diff(arrays.states["edges"]))
    return {(int(s), int(u)): int(t) for s, u, t in zip(sources, arrays.units, arrays.targets, strict=True)}


def read(graph: SpellingGraph, tokens: tuple[int, ...]) -> list[str] | None:
    """Words that end with these units, or None when no word goes on like this."""
    state, table = START, arcs(graph)
    for token in tokens:
        if (state, token) not in table:
            return None
        state = table[state, token]
    first, end = graph.arrays.states["words"][state : state + 2]
    return [graph.words[word] for word in graph.arrays.words[first:end]]


WORDS = st.lists(st.text("abc", min_size=1, max_size=4), min_size=1, max_size=6, unique=True)


@settings(max_examples=40, deadline=None)
@given(words=WORDS, units=st.sampled_from([CHARACTERS, PIECES]))
def test_units_lead_to_a_word_exactly_when_they_spell_it(words, units):
    graph = graph_of_words(words, units)
    marker = "▁" if units.kind == "bpe" else ""
    letters = [token for token, symbol in enumerate(units.symbols) if token and symbol not in ("<unk>", " ")]
    table, spelled = arcs(graph), set()
    for length in range(1, 5 if units is CHARACTERS else 4):
        for tokens in itertools.product(letters, repeat=length):
            text = "".join(units.symbols[token] for token in tokens)
            found = read(graph, tokens)
            expected = [word for word in words if marker + word == text]
            assert (found or []) == expected
            spelled.update(expected)
    assert not spelled & set(graph.unspellable)
    assert set(graph.words) | set(graph.unspellable) == set(words)
    assert all(isinstance(state, int) for state in table.values())


def test_cuts_that_lead_nowhere_are_left_out():
    """`▁a` could begin "▁abc" only if "bc" could follow: it cannot, so the search never enters it."""
    graph = graph_of_words(["abc"], PIECES)
    ids = PIECES.ids
    assert read(graph, (ids["▁"], ids["abc"])) == ["abc"]
    assert read(graph, (ids["▁a"],)) is None
    assert graph_of_words(["bc"], PIECES).unspellable == ["bc"]


def test_the_lone_marker_has_a_state_of_its_own():
    assert graph_of_words(["b"], PIECES).arrays.marker_state == arcs(graph_of_words(["b"], PIECES))[START, 2]
    assert graph_of_words(["a"], Units("bpe", [BLANK_SYMBOL, "<unk>", "▁a"], b"x")).arrays.marker_state == NO_STATE
    assert graph_of_words(["a"], CHARACTERS).arrays.marker_state == NO_STATE


def test_pronunciations_share_beginnings_and_homophones_a_state():
    lexicon = {"one": [["x"]], "won": [["x"]], "two": [["x", "y"], ["z"]], "foreign": [["q"]], "mute": [[]]}
    graph = graph_of_pronunciations(lexicon, PHONES)
    assert read(graph, (1,)) == ["one", "won"]
    assert read(graph, (1, 2)) == read(graph, (3,)) == ["two"]
    assert read(graph, (2,)) is None
    assert graph.unspellable == ["foreign", "mute"]
    assert graph.words == ["one", "won", "two"]


def test_one_of_two_pronunciations_is_enough():
    graph = graph_of_pronunciations({"two": [["x", "q"], ["y"]]}, PHONES)
    assert (graph.words, graph.unspellable) == (["two"], [])
    assert read(graph, (2,)) == ["two"]
    assert read(graph, (1,)) is None


def test_too_many_homophones_are_refused_with_examples():
    with pytest.raises(DecodingError, match=r"words share one spelling \(\['w0'"):
        graph_of_pronunciations({f"w{n}": [["x"]] for n in range(300)}, PHONES)


def test_nothing_to_spell_is_an_empty_graph():
    assert graph_of_words([], CHARACTERS).words == []
    graph = graph_of_words(["XYZ"], CHARACTERS)
    assert (graph.words, graph.unspellable, arcs(graph)) == ([], ["XYZ"], {})


@settings(max_examples=60, deadline=None)  # compiling is slow
@given(
    units=st.sampled_from([3, 64, 1000]),
    pairs=st.sets(st.tuples(st.integers(0, 3), st.integers(1, 999)), max_size=120),
)
def test_a_step_finds_every_edge_and_no_other(units, pairs):
    """Also where the next state's edges begin with the same unit."""
    pairs = sorted((state, unit) for state, unit in pairs if unit < units)
    firsts, tokens, targets = lay_out({state * units + unit: n for n, (state, unit) in enumerate(pairs)}, units, 4)
    states = np.zeros(5, STATE)
    states["edges"] = firsts
    for state in range(4):
        for unit in sorted({unit for _, unit in pairs} | {1, units - 1}):
            target = pairs.index((state, unit)) if (state, unit) in pairs else -1
            assert spell(states, tokens, targets, state, unit) == target
