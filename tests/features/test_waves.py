"""Audio of utterances: spans, channels and rates as the reader gives them, the same from the cache as from the file."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_waves import noise

from asr.audio.reading import read_audio
from asr.corpus.recording import read_utterance
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError
from asr.features.waves import Waves


@pytest.fixture
def utterances(tmp_path):
    """Two whole recordings at 8 and 16 kHz and two spans of a stereo one."""
    soundfile.write(tmp_path / "a.wav", noise(1, 8000), 8000)
    soundfile.write(tmp_path / "b.wav", noise(2, 12000), 16000)
    soundfile.write(tmp_path / "long.flac", np.stack([noise(3, 32000), noise(4, 32000)], axis=1), 16000)
    path = str(tmp_path / "long.flac")
    return [
        Utterance("b", str(tmp_path / "b.wav"), 0.0, 0.75),
        Utterance("a", str(tmp_path / "a.wav"), 0.0, 1.0),
        Utterance("left", path, 0.25, 0.5, channel=0),
        Utterance("mixed", path, 1.0, 0.75),
    ]


@pytest.mark.parametrize("cache_bytes", [0, 30_000, 10**6])
def test_the_first_and_every_later_reading_are_those_of_the_file(utterances, cache_bytes):
    waves = Waves(utterances, 16000, cache_bytes)
    for _ in range(3):
        for each in utterances:
            expected = read_audio(
                each.audio, sample_rate=16000, start=each.start, duration=each.duration, channel=each.channel
            )
            np.testing.assert_array_equal(waves[each.id], expected)
            assert abs(waves.samples(each.id) - len(expected)) <= 1


def test_audio_is_decoded_once_while_there_is_memory(utterances):
    waves = Waves(utterances[:1], 16000, 10**6)
    first = waves["b"]
    Path(utterances[0].audio).unlink()
    np.testing.assert_array_equal(waves["b"], first)


def test_without_memory_it_is_decoded_again(utterances):
    waves = Waves(utterances, 16000, 0)
    assert len(waves["b"]) == 12000
    Path(utterances[0].audio).unlink()
    with pytest.raises(AudioError, match=r"utterance b .*does not exist"):
        waves["b"]


def test_resampled_audio_is_kept_without_rounding(utterances):
    """The first is of 16 bits, which halves the memory; the resampled one then has no place, but its samples hold."""
    waves = Waves(utterances, 16000, 10**6)
    first, again = waves["a"], waves["a"]
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, np.rint(first * 32768) / 32768)


def test_missing_audio_is_named_before_anything_is_read(utterances):
    for each in utterances[1:3]:
        Path(each.audio).unlink()
    with pytest.raises(CorpusError, match=r"utterance a: its audio .*a\.wav and that of 1 more does not exist"):
        Waves(utterances, 16000, 10**6)


def test_unreadable_audio_is_named_with_its_utterance(utterances, tmp_path):
    (tmp_path / "b.wav").write_bytes(b"not audio")
    with pytest.raises(AudioError, match=r"utterance b \(.*b\.wav\)"):
        read_utterance(utterances[0], 16000)
    with pytest.raises(AudioError, match="utterance b"):
        Waves(utterances, 16000, 10**6)
