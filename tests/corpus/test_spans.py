"""Spans give back each utterance but for its text, in order, at a tenth of the memory of objects."""

import pickle
import tracemalloc
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.corpus.spans import FewValues, Spans
from asr.corpus.utterance import Utterance

NAMES = st.text(min_size=1, max_size=2, alphabet="abc")
UTTERANCES = st.lists(
    st.builds(
        Utterance,
        id=NAMES,
        audio=st.builds("{}{}".format, st.sampled_from(["", "/", "a/", "/x/y/", "s3://b/", "é/"]), NAMES),
        start=st.floats(0, 1e6),
        duration=st.floats(0, 1e6),
        channel=st.sampled_from([None, 0, 1, 10**30]),
        text=NAMES,
        speaker=st.sampled_from(["", "s", "t"]),
    ),
    max_size=30,
)


def without_texts(utterances):
    """As a dictionary keeps them: of a doubled id the last, at the place of the first."""
    return {each.id: replace(each, text="") for each in utterances}


@given(UTTERANCES)
def test_utterances_come_back_in_order_without_their_texts(utterances):
    expected = without_texts(utterances)
    spans = Spans(iter(utterances))
    assert len(spans) == len(expected)
    assert list(spans.names) == list(expected)
    assert [spans.utterance(number) for number in range(len(spans))] == list(expected.values())
    assert [spans.number(name) for name in expected] == list(range(len(expected)))
    assert spans.durations.tolist() == [each.duration for each in expected.values()]
    assert {name: spans.speaker(name) for name in expected} == {name: each.speaker for name, each in expected.items()}


@given(UTTERANCES)
def test_recordings_are_named_once_with_their_first_utterance(utterances):
    expected = {}
    for each in without_texts(utterances).values():
        expected.setdefault(each.audio, each.id)
    assert list(Spans(utterances).recordings()) == list(expected.items())


@given(UTTERANCES)
def test_speakers_come_in_order_with_their_utterances(utterances):
    expected = {}
    for number, each in enumerate(without_texts(utterances).values()):
        expected.setdefault(each.speaker, []).append(number)
    assert [(name, rows.tolist()) for name, rows in Spans(utterances).by_speaker()] == list(expected.items())


def test_unknown_ids_are_told():
    spans = Spans([Utterance("a", "a.wav", 0.0, 1.0)])
    assert "a" in spans and "b" not in spans and 7 not in spans
    with pytest.raises(KeyError, match="b"):
        spans.number("b")
    assert len(Spans([])) == 0


def test_they_cross_to_loading_processes():
    spans = pickle.loads(pickle.dumps(Spans([Utterance("a", "x/a.wav", 0.5, 1.0, channel=1, speaker="s")])))
    assert spans.utterance(spans.number("a")) == Utterance("a", "x/a.wav", 0.5, 1.0, channel=1, speaker="s")


def test_an_utterance_takes_little_more_than_its_letters():
    def made(count):
        for number in range(count):
            speaker = f"speaker-{number // 100}"
            yield Utterance(
                f"{speaker}-{number:06d}",
                f"/corpus/{speaker}/{number:06d}.flac",
                0.0,
                9.5,
                text="A B C",
                speaker=speaker,
            )

    tracemalloc.start()
    spans = Spans(made(20_000))
    compact = tracemalloc.get_traced_memory()[0] / 20_000
    objects = without_texts(made(20_000))
    whole = tracemalloc.get_traced_memory()[0] / 20_000 - compact
    tracemalloc.stop()
    assert len(spans) == len(objects)
    assert compact < 130
    assert whole > 4 * compact


@given(st.lists(st.sampled_from(["", "a", "b", None])), st.data())
def test_a_column_of_few_values(values, data):
    column = FewValues()
    for value in values:
        column.append(value)
    assert [column[row] for row in range(len(values))] == values
    assert len(column.values) == len(set(values))
    rows = data.draw(st.lists(st.integers(0, len(values) - 1), max_size=9)) if values else []
    taken = column.take(rows)
    assert [taken[row] for row in range(len(rows))] == [values[row] for row in rows]
