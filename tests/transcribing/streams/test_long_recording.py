"""Long recordings: one result whatever the blocks, segments in order, silences told, files in bounded memory."""

from itertools import pairwise

import numpy as np
import pytest
import soundfile
from tests_model import RATE, sounds

from asr.__main__ import run
from asr.transcribing.streams.long_recording import LongRecording
from asr.transcribing.streams.windows import Windowing
from asr.transcribing.transcript import Cutting


def recording(seconds=40, silence=15):
    """Sweeps, a long silence, and sweeps again."""
    wave = np.concatenate(sounds(60, seed=8))
    half = wave[: seconds * RATE // 2]
    return np.concatenate([half, np.zeros(silence * RATE, np.float32), half])


def blocks_of(wave, size):
    return [wave[at : at + size] for at in range(0, len(wave), size)]


def test_blocks_of_any_size_files_and_arrays_give_one_transcript(recognizer, tmp_path):
    wave = np.round(recording() * 32768) / 32768
    whole = recognizer.transcribe(wave.astype(np.float32))
    assert whole.text and whole.duration == pytest.approx(len(wave) / RATE)
    soundfile.write(tmp_path / "a.wav", wave, RATE, subtype="PCM_16")
    assert recognizer.transcribe(tmp_path / "a.wav") == whole
    with (tmp_path / "a.wav").open("rb") as stream:
        assert recognizer.transcribe(stream) == whole
    assert recognizer.transcribe_batch([wave[: 5 * RATE], wave])[1] == whole
    for size in (997, 100_000):
        assert LongRecording(recognizer, blocks_of(wave.astype(np.float32), size)).transcript() == whole


def test_a_recording_that_fits_a_window_is_transcribed_whole(recognizer):
    wave = sounds(1, seed=5)[0]
    long = LongRecording(recognizer, blocks_of(wave, 333)).transcript()
    assert long == recognizer.transcribe_batch([wave])[0]


def test_segments_come_in_order_with_times_of_the_recording(recognizer):
    wave = recording()
    long = LongRecording(recognizer, blocks_of(wave, 4096), Cutting(0.3, 5.0), windowing=Windowing(6.0, 2.0))
    segments = list(long)
    assert [segment.id for segment in segments] == list(range(len(segments)))
    assert all(before.end <= after.start for before, after in pairwise(segments))
    assert segments[-1].end <= long.seconds == pytest.approx(len(wave) / RATE)
    (silence,) = long.skipped
    assert silence.reason == "silence" and 20.3 < silence.start < 21.5 and 33.5 < silence.end < 34.8
    times = [time for segment in segments for word in segment.words for time in (word.start, word.end)]
    assert not any(silence.start < time < silence.end for time in times)
    assert LongRecording(recognizer, [wave], vad=False).transcript().skipped == []


def test_progress_is_told_in_seconds(recognizer):
    told = []
    recognizer.transcribe(recording(), progress=told.append)
    assert told == sorted(told) and told[-1] == pytest.approx(55.0)


def test_the_command_takes_long_files(model_folder, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", recording(), RATE)
    command = ["transcribe", str(tmp_path / "a.wav"), "--model", str(model_folder), "-f", "json"]
    assert run(command) == 0
    assert '"silence"' in capsys.readouterr().out
    assert run([*command, "--vad", "off"]) == 0
    assert '"silence"' not in capsys.readouterr().out
