"""From the words of a hypothesis to segments: times in order, cuts at pauses, several channels on one timeline."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from asr.decoding.results.hypothesis import Hypothesis, Word
from asr.transcribing.transcript import (
    Cutting,
    Segment,
    Skipped,
    Transcript,
    cut_at_pauses,
    merged,
    tidy_words,
    transcript_of,
)

TIMES = st.floats(0, 50, allow_nan=False)
WORDS = st.lists(
    st.builds(Word, st.sampled_from(["a", "bb", "ccc"]), TIMES, TIMES, st.floats(0, 1, allow_nan=False)), max_size=30
)


def spoken(*spans):
    return [Word(f"w{number}", start, end, 0.5) for number, (start, end) in enumerate(spans)]


def test_times_are_rounded_to_milliseconds_and_end_with_the_recording():
    words = [Word("a", 0.12345, 0.5, 0.98765), Word("b", 0.6, 1.04, 0.5)]
    (segment,) = transcript_of(Hypothesis("a b", -1.0, words), duration=1.0).segments
    assert segment == Segment(0, 0.123, 1.0, "a b", [Word("a", 0.123, 0.5, 0.9877), Word("b", 0.6, 1.0, 0.5)])


def test_nothing_said_has_no_segment():
    assert transcript_of(Hypothesis("", -0.1, []), duration=3.0) == Transcript("", 3.0, [])


@given(WORDS, st.floats(0, 40))
def test_words_never_overlap_nor_leave_the_recording(words, duration):
    tidy = tidy_words(words, duration)
    assert [word.text for word in tidy] == [word.text for word in words]
    times = [time for word in tidy for time in (word.start, word.end)]
    assert times == sorted(times)
    assert all(0 <= time <= round(duration, 3) for time in times)


def test_a_long_pause_ends_a_segment():
    words = spoken((0, 1), (1.8, 2), (2.81, 3))
    assert [segment.text for segment in cut_at_pauses(words, Cutting(pause=0.8))] == ["w0 w1", "w2"]


def test_a_long_stretch_is_cut_at_its_longest_pause():
    words = spoken((0, 2), (2.1, 4), (4.5, 6), (6.2, 8), (8.3, 11))
    segments = cut_at_pauses(words, Cutting(pause=1, longest=10))
    assert [segment.text for segment in segments] == ["w0 w1", "w2 w3 w4"]


@given(WORDS, st.floats(0, 5), st.floats(0.1, 20))
def test_segments_have_every_word_once_and_keep_to_the_limits(words, pause, longest):
    tidy = tidy_words(words, 50)
    segments = cut_at_pauses(tidy, Cutting(pause, longest))
    assert [word for segment in segments for word in segment.words] == tidy
    assert [segment.id for segment in segments] == list(range(len(segments)))
    for segment in segments:
        assert len(segment.words) == 1 or segment.end - segment.start <= longest
        assert all(after.start - before.end <= pause for before, after in pairwise(segment.words))
        assert segment.text == " ".join(word.text for word in segment.words)


def test_audio_from_the_middle_of_a_recording_is_timed_in_the_recording():
    part = Transcript("w0", 1.0, cut_at_pauses(spoken((0.1, 0.2))), [Skipped(0.5, 1.0, "silence")])
    moved = part.moved(60.0)
    assert (moved.segments[0].start, moved.segments[0].words[0].end) == (60.1, 60.2)
    assert moved.skipped == [Skipped(60.5, 61.0, "silence")]


def test_channels_become_speakers_of_one_timeline():
    left = Transcript("w0 w1", 9.0, cut_at_pauses(spoken((0, 1), (5, 6))), hotwords={"w0": 1})
    right = Transcript("w0", 9.0, cut_at_pauses(spoken((2, 3))), [Skipped(4, 9, "silence")], hotwords={"w0": 1})
    both = merged({"channel 0": left, "channel 1": right})
    assert both.text == "w0 w0 w1"
    assert [(s.id, s.start, s.speaker) for s in both.segments] == [
        (0, 0, "channel 0"), (1, 2, "channel 1"), (2, 5, "channel 0"),
    ]  # fmt: skip
    assert both.skipped == [Skipped(4, 9, "silence (channel 1)")]
    assert both.hotwords == {"w0": 2}


@pytest.mark.parametrize("cutting", [None, Cutting(0.1, 0.2)])
def test_no_words_no_segments(cutting):
    assert cut_at_pauses([], cutting) == []
