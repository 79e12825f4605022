"""What is found by hashes is what comparing the utterances themselves finds."""

import tracemalloc
from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from asr.corpus.utterance import Utterance
from asr.training.checks.duplicates import SetDigester, first_rows, sound


class Stored:
    """Frames and checksums of some utterances, as a feature store tells them."""

    def __init__(self, sounds):
        self.sounds = sounds

    def __contains__(self, name):
        return self.sounds.get(name) is not None

    def frames(self, name):
        return self.sounds[name][0]

    def checksum(self, name):
        return self.sounds[name][1]


UTTERANCES = st.lists(
    st.builds(
        Utterance,
        id=st.sampled_from("abcdef"),
        audio=st.sampled_from(["x.wav", "y.wav"]),
        start=st.sampled_from([0.0, 1.5]),
        duration=st.sampled_from([1.0, 2.0]),
        channel=st.sampled_from([None, 0]),
        text=st.sampled_from(["", "yes", "no"]),
        speaker=st.sampled_from(["", "s", "t"]),
    ),
    max_size=12,
)
SOUNDS = st.dictionaries(
    st.sampled_from("abcdef"), st.sampled_from([None, (0, 0), (0, 7), (1, 0), (2**31, 2**32 - 1), (5, 7)])
)


def digest(utterances, store=None):
    digester = SetDigester()
    for each in utterances:
        digester.observe(each, store)
    return digester.finish()


@given(UTTERANCES, SOUNDS)
def test_twins_by_audio(utterances, sounds):
    """Written with dictionaries of whole utterances."""
    spans, heard, expected = {}, {}, []
    for row, each in enumerate(utterances):
        first = spans.setdefault((each.audio, each.start, each.duration, each.channel), row)
        if sounds.get(each.id) is not None:
            first_sound = heard.setdefault(sounds[each.id], row)
            first = first_sound if first == row else first
        if utterances[first].id != each.id:
            expected.append((row, first))
    assert digest(utterances, Stored(sounds)).audio_twins() == expected


@given(UTTERANCES, UTTERANCES, SOUNDS, SOUNDS)
def test_twins_in_another_set(ours, theirs, our_sounds, their_sounds):
    last = {their_sounds[each.id]: row for row, each in enumerate(theirs) if their_sounds.get(each.id) is not None}
    expected = [
        (row, last[our_sounds[each.id]])
        for row, each in enumerate(ours)
        if our_sounds.get(each.id) is not None and our_sounds[each.id] in last
    ]
    assert digest(ours, Stored(our_sounds)).sounding_as(digest(theirs, Stored(their_sounds))) == expected


@given(UTTERANCES)
def test_texts_that_a_speaker_repeats(utterances):
    counts = Counter((each.speaker, each.text) for each in utterances if each.speaker and each.text)
    repeated, most, first = digest(utterances).repeated_texts()
    assert repeated == sum(count for count in counts.values() if count > 1)
    if counts:
        (speaker, text), times = counts.most_common(1)[0]  # of several the one that came first
        assert most == times
        assert (utterances[first].speaker, utterances[first].text) == (speaker, text)
    else:
        assert (most, first) == (0, -1)


@given(UTTERANCES)
def test_ids_and_texts(utterances):
    seen = digest(utterances)
    assert list(seen.names) == [each.id for each in utterances]
    assert seen.spoken.tolist() == [bool(each.text) for each in utterances]
    for row, one in enumerate(utterances):
        assert [bool(same) for same in seen.texts == seen.texts[row]] == [one.text == two.text for two in utterances]


@given(st.lists(st.tuples(st.integers(0, 3), st.booleans())))
def test_first_rows(rows):
    keys, chosen = np.array([key for key, _ in rows], np.uint64), np.array([taken for _, taken in rows], bool)
    expected = [rows.index((key, True)) if taken else row for row, (key, taken) in enumerate(rows)]
    assert first_rows(keys, chosen).tolist() == expected


def test_a_sound_is_told_from_none_and_from_others():
    pairs = [(0, 0), (0, 1), (1, 0), (2**31, 2**32 - 1)]
    found = {sound("a", Stored({"a": pair})) for pair in pairs}
    assert len(found) == len(pairs)
    assert 0 not in found


def test_an_utterance_takes_some_fifty_bytes_and_its_id():
    def made(count):
        for number in range(count):
            text = f"text number {number} with some more words so that it is long"
            yield Utterance(f"utterance-{number:08d}", f"/a/folder/{number}.wav", 0.0, 5.0, text=text, speaker="s")

    digest(made(100))
    tracemalloc.start()
    seen = digest(made(20_000))
    kept = tracemalloc.get_traced_memory()[0] / 20_000
    tracemalloc.stop()
    assert len(seen) == 20_000
    assert kept < 90
