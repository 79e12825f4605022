"""Live transcripts: equal to offline with a look-ahead to the end, the same for any blocks, final once said."""

from itertools import pairwise

import numpy as np
import pytest
from tests_model import RATE, sounds, write_model

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.errors import UsageError
from asr.transcribing.recognizer import Recognizer
from asr.transcribing.streams.streaming import StreamOptions


def pushed(recognizer, wave, size, options=None):
    stream = recognizer.stream(options)
    results = [result for at in range(0, len(wave), size) for result in stream.push(wave[at : at + size])]
    return results + stream.finish()


def finals(results):
    return [result.segment for result in results if result.final]


@pytest.mark.parametrize("bidirectional", [True, False])
def test_with_a_look_ahead_to_the_end_it_is_the_offline_transcript(tmp_path, bidirectional):
    recognizer = Recognizer.load(write_model(tmp_path / "model", bidirectional=bidirectional), device="cpu")
    wave = np.concatenate(sounds(4, seed=5))
    options = StreamOptions(look_ahead=float("inf"), pause=60.0)
    segments = finals(pushed(recognizer, wave, 999, options))
    assert " ".join(segment.text for segment in segments) == recognizer.transcribe(wave).text


def test_blocks_of_any_size_give_the_same_results(recognizer):
    wave = np.concatenate(sounds(6, seed=2))
    expected = finals(pushed(recognizer, wave, len(wave)))
    assert expected
    for size in (160, 1234, 8000):
        assert finals(pushed(recognizer, wave, size)) == expected


def test_partial_results_come_before_final_ones_and_segments_in_order(recognizer):
    parts = [part for wave in sounds(5, seed=7) for part in (wave, np.zeros(2 * RATE, np.float32))]
    wave = np.concatenate(parts)
    results = pushed(recognizer, wave, 400, StreamOptions(longest=3.0))
    segments = finals(results)
    assert any(not result.final for result in results)
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert all(before.end <= after.start for before, after in pairwise(segments))
    assert segments[-1].end <= len(wave) / RATE


def test_silence_says_nothing_and_times_must_make_sense(recognizer):
    assert finals(pushed(recognizer, np.zeros(0, np.float32), 100)) == []
    with pytest.raises(UsageError, match="look_ahead"):
        StreamOptions(look_ahead=-1.0)


def test_the_command_prints_a_line_a_segment(model_folder, tmp_path, capsys):
    write_audio(tmp_path / "a.wav", np.concatenate(sounds(3)), RATE)
    assert run(["transcribe", "--stream", str(tmp_path / "a.wav"), "--model", str(model_folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines and all(len(line.split("\t")) == 3 for line in lines)
