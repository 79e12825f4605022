"""The graph of spellings: every cut of a word leads to the word, and nothing else leads anywhere."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.knowledge.spelling_graph import (
    NO_STATE,
    SET_SIZE,
    START,
    SpellingArrays,
    SpellingGraph,
    edges_of,
    empty_graph,
    goes_on,
    graph_of_pronunciations,
    graph_of_words,
    lay_out,
    rows_of,
    spell,
    unit_sets,
    with_lm_words,
)
from asr.errors import DecodingError
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "▁ab", "a", "b", "ba", "abc"], b"unused")
PHONES = Units("characters", [BLANK_SYMBOL, *"xyz"])


def arcs(graph: SpellingGraph) -> dict[tuple[int, int], int]:
    """(state, unit) -> next state, read off the edges."""
    sources, units, targets = (values.tolist() for values in edges_of(graph.arrays))
    return {(source, unit): target for source, unit, target in zip(sources, units, targets, strict=True)}


def read(graph: SpellingGraph, tokens: tuple[int, ...]) -> list[str] | None:
    """Words that end with these units, or None when no word goes on like this."""
    state, table = START, arcs(graph)
    for token in tokens:
        if (state, token) not in table:
            return None
        state = table[state, token]
    first, count = graph.arrays.states[state]["words"], graph.arrays.states[state]["homophones"]
    return [graph.words[word] for word in graph.arrays.words[first : first + count]]


def test_states_name_the_language_models_word_for_the_first_of_their_words():
    graph = graph_of_pronunciations({"read": ["xy"], "red": ["xy", "xyz"], "rye": ["x"]}, PHONES)
    lm_words = np.array([10 + index for index in range(len(graph.words))], np.int32)
    marked = with_lm_words(graph.arrays, lm_words)
    for state, record in enumerate(marked.states):
        spelled = graph.arrays.words[record["words"] : record["words"] + record["homophones"]]
        assert record["lm_word"] == (lm_words[spelled[0]] if len(spelled) else 0), state
    assert not graph.arrays.states["lm_word"].any()  # the graph itself serves other language models


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
    assert len(edges_of(empty_graph(5))[0]) == 0
    assert all(spell(empty_graph(5), START, token) < 0 for token in range(5))


@pytest.mark.parametrize("units", [5, 64, 200])
def test_followers_are_the_units_that_lead_on_modulo_64(units):
    keys = np.array([0 * units + 1, 0 * units + units - 1, 2 * units + 3], np.int64)
    sets = unit_sets(keys, units, 4)
    assert sets.tolist() == [(1 << 1) | (1 << (units - 1) % 64), 0, 1 << 3, 0]


@settings(max_examples=60, deadline=None)  # compiling is slow
@given(
    units=st.sampled_from([3, 64, 65, 130, 1000]),
    pairs=st.sets(st.tuples(st.integers(0, 3), st.integers(1, 999)), max_size=120),
    rows=st.integers(1, 4),
)
def test_a_step_finds_every_edge_and_no_other(units, pairs, rows):
    """Also where units share a remainder, where the next state's edges begin with the same unit, and in a row."""
    pairs = sorted((state, unit) for state, unit in pairs if unit < units)
    keys = np.array([state * units + unit for state, unit in pairs], np.int64)
    states, edges = lay_out(keys, np.arange(len(keys), dtype=np.int32), units, 4)
    table = rows_of(states, edges, units, rows)
    graph = SpellingArrays(states, edges, table, np.zeros(1, np.int32), NO_STATE, units)
    for state in range(4):
        near = {unit for _, unit in pairs} | {(unit + SET_SIZE) % units for _, unit in pairs}
        for unit in sorted(near | {1, units - 1}):
            target = pairs.index((state, unit)) if (state, unit) in pairs else -1
            assert spell(graph, state, unit) == target
            assert goes_on(graph, state, states[state]["followers"], states[state]["edges"], unit) == (target >= 0)
    assert {(s, u): t for s, u, t in zip(*edges_of(graph), strict=True)} == dict(
        zip(pairs, range(len(pairs)), strict=True)
    )


def test_states_that_many_units_leave_come_first_and_have_rows():
    """Pieces: the marker, and one for each of 70 letters. After the marker 40 letters go on, after "a" 3."""
    letters = [chr(0x4E00 + number) for number in range(70)]
    units = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", *letters], b"x")
    words = [f"{letters[0]}{last}" for last in letters[:3]] + [f"{letters[1]}{last}" for last in letters[:40]]
    graph = graph_of_words(words, units)
    ids = [units.ids[letter] for letter in letters]
    marker = spell(graph.arrays, START, units.ids["▁"])
    few, many = (spell(graph.arrays, marker, ids[first]) for first in (0, 1))
    assert graph.arrays.marker_state == marker
    assert many < len(graph.arrays.rows) == 2 <= few
    assert (graph.arrays.rows[many] >= 0).sum() == 40
    assert all(read(graph, (2, ids[1], ids[last])) == [words[3 + last]] for last in range(40))
    assert all(read(graph, (2, ids[0], ids[last])) == [words[last]] for last in range(3))
    assert read(graph, (2, ids[1], ids[40])) is None


def test_a_few_units_need_no_rows():
    """The set of followers tells each of them apart: only the beginnings of words have one."""
    assert len(graph_of_words(["a", "ab", "abc"], CHARACTERS).arrays.rows) == 1
