"""The graph of spellings: every cut of a word leads to the word, and nothing else leads anywhere."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.spelling import (
    NO_STATE,
    START,
    SpellingGraph,
    empty_graph,
    graph_of_pronunciations,
    graph_of_words,
    unit_sets,
)
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "▁ab", "a", "b", "ba", "abc"], b"unused")
PHONES = Units("characters", [BLANK_SYMBOL, *"xyz"])


def arcs(graph: SpellingGraph) -> dict[tuple[int, int], int]:
    """(state, unit) -> next state, read off the hash table."""
    used = np.flatnonzero(graph.arrays.keys >= 0)
    pairs = zip(graph.arrays.keys[used].tolist(), graph.arrays.next_states[used].tolist(), strict=True)
    return {divmod(key, graph.arrays.units): state for key, state in pairs}


def read(graph: SpellingGraph, tokens: tuple[int, ...]) -> list[str] | None:
    """Words that end with these units, or None when no word goes on like this."""
    state, table = START, arcs(graph)
    for token in tokens:
        if (state, token) not in table:
            return None
        state = table[state, token]
    first, end = graph.arrays.offsets[state], graph.arrays.offsets[state + 1]
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
    assert not (empty_graph(5).keys >= 0).any()


@pytest.mark.parametrize("units", [5, 64, 200])
def test_followers_are_the_units_that_lead_on_modulo_64(units):
    keys = np.array([0 * units + 1, 0 * units + units - 1, 2 * units + 3], np.int64)
    sets = unit_sets(keys, units, 4)
    assert sets.tolist() == [(1 << 1) | (1 << (units - 1) % 64), 0, 1 << 3, 0]
