"""What a set keeps of its utterances: by id, the last of a doubled one, and little memory whatever their number."""

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.batches.rows import SetRows, spell
from asr.config.sections import UnitsConfig
from asr.corpus.utterance import Utterance
from asr.errors import UnitsError
from asr.units import Units, build_units, required_frames

UNITS = build_units(["abc d"], UnitsConfig())


def utterance(name, text="ab", **fields):
    return Utterance(name, "none.wav", 0.0, 1.0, text=text, **fields)


@given(st.lists(st.tuples(st.text("xyzä", min_size=1, max_size=4), st.text("abcd ", max_size=6)), max_size=20))
def test_rows_are_a_dictionary_in_the_order_of_ids(pairs):
    rows = SetRows.of((utterance(*pair) for pair in pairs), UNITS, strict=True)
    expected = dict(pairs)
    assert list(rows.names) == sorted(expected)
    for number, name in enumerate(rows.names):
        labels = UNITS.encode(expected[name])
        assert (rows.row(name), rows.target(name)) == (number, labels)
        assert rows.needed[number] == required_frames(labels)


def test_who_is_in_it_and_who_is_not():
    rows = SetRows.of([utterance("b"), utterance("d")], UNITS, strict=True)
    assert [name in rows for name in ("a", "b", "c", "d", "e", 7)] == [False, True, False, True, False, False]
    for name in ("a", "c", "e"):
        with pytest.raises(KeyError, match=name):
            rows.row(name)


def test_texts_outside_the_units_have_no_target_or_are_refused():
    spoken = [utterance("a", "xyz"), utterance("b", "ab"), utterance("c", "")]
    rows = SetRows.of(spoken, UNITS, strict=False)
    assert [rows.target(name) for name in "abc"] == [None, UNITS.encode("ab"), []]
    assert spell(spoken[0], UNITS, strict=False) is None
    with pytest.raises(UnitsError, match=r"^a: has characters outside the units"):
        SetRows.of(spoken, UNITS, strict=True)


def test_speakers_are_counted_and_synthetic_speech_is_noticed():
    spoken = [utterance(name, speaker=who) for name, who in zip("abcd", ("s", "t", "s", ""), strict=True)]
    rows = SetRows.of(spoken, UNITS, strict=True)
    assert (rows.speakers, rows.synthetic) == (3, False)
    assert SetRows.of([*spoken, utterance("e", extra={"synthetic": True})], UNITS, strict=True).synthetic


@pytest.mark.parametrize("turned", [False, True])
def test_an_utterance_costs_its_letters_and_a_few_bytes(turned):
    """As objects they would cost some 700 bytes each."""
    count, text = 20_000, "abcd " * 10
    numbers = range(count)[::-1] if turned else range(count)
    tracemalloc.start()
    rows = SetRows.of((utterance(f"utterance-{number:06d}", text) for number in numbers), UNITS, strict=True)
    kept, peak = (each / count for each in tracemalloc.get_traced_memory())
    tracemalloc.stop()
    letters = len("utterance-000000") + len(text)
    assert len(rows) == count
    assert kept < letters + 30
    assert peak < 4 * letters


def test_phones_that_an_utterance_names_are_its_target():
    units = Units("phones", ["<blank>", "k", "t", "æ"], lexicon={"at": [("æ", "t"), ("t",)]})
    utterances = [
        Utterance("a", "x.wav", 0.0, 1.0, text="at"),
        Utterance("b", "x.wav", 0.0, 1.0, text="at", extra={"phones": "t"}),
        Utterance("c", "x.wav", 0.0, 1.0, text="cat"),
    ]
    rows = SetRows.of(utterances, units, strict=False)
    assert [rows.target(name) for name in "abc"] == [[3, 2], [2], None]
    with pytest.raises(UnitsError, match="without a pronunciation: cat"):
        SetRows.of(utterances, units, strict=True)
