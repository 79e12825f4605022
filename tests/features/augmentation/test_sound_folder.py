"""Folders of noises: what is wrong with them is said before training, silence is passed over, draws follow the seed."""

import os
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_waves import RATE, noise, write_noises

from asr.errors import CorpusError
from asr.features.augmentation.sound_folder import PIECE, SoundFolder

CORPORA = next(
    (path for path in (os.environ.get("ASR_CORPORA", ""), "../shared/corpora") if path and Path(path).is_dir()), None
)


def folder_of(path, pattern="*"):
    return SoundFolder(path, pattern, RATE, 2**24)


def test_draws_depend_on_the_generator_alone(tmp_path):
    for name in ("a", "b", "c"):
        write_noises(tmp_path / name, count=1, rate=RATE)
        soundfile.write(tmp_path / name / "0.wav", noise(ord(name), 8000), 8000)
    folder = folder_of(tmp_path)
    drawn = [folder.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert folder.files == 3
    assert all(abs(len(each) - 16000) < 20 for each in drawn)  # a second, resampled
    assert np.array_equal(drawn[0], folder_of(tmp_path).draw(np.random.default_rng(0)))
    assert len({each.tobytes() for each in drawn}) == 3


def test_a_pattern_chooses_files(tmp_path):
    write_noises(tmp_path, count=5)
    assert folder_of(tmp_path, "[1-3]*").files == 3
    with pytest.raises(CorpusError, match=r"holds no audio files that match '9\*'; name a folder of noise recordings"):
        folder_of(tmp_path, "9*")


def test_a_missing_or_empty_folder_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="nowhere: is not a folder"):
        folder_of(tmp_path / "nowhere")
    (tmp_path / "readme.txt").write_text("no sound")
    with pytest.raises(CorpusError, match="holds no audio files"):
        folder_of(tmp_path)


def test_silent_and_broken_files_are_skipped_with_a_warning(tmp_path, caplog):
    write_noises(tmp_path, count=1, rate=RATE)
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), RATE)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), RATE)
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    folder = folder_of(tmp_path)
    assert "silent.wav@0: is silent; skipped" in caplog.text
    assert "empty.wav" in caplog.text and "broken.wav" in caplog.text
    caplog.clear()
    expected = folder_of(tmp_path, "0.wav").draw(np.random.default_rng(0))
    assert all(np.array_equal(folder.draw(np.random.default_rng(seed)), expected) for seed in range(10))
    assert not caplog.text  # said once


def test_nothing_but_silence_is_an_error(tmp_path):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", np.zeros(8000), RATE)
    with pytest.raises(CorpusError, match="holds nothing but silence in 2 files"):
        folder_of(tmp_path)


def test_silence_at_the_ends_is_cut_off(tmp_path):
    silence = np.zeros(5000, np.float32)
    soundfile.write(tmp_path / "bark.wav", np.concatenate([silence, noise(samples=3000), silence]), RATE)
    assert len(folder_of(tmp_path).draw(np.random.default_rng(0))) <= 3000


def test_long_recordings_are_drawn_in_pieces(tmp_path):
    soundfile.write(tmp_path / "hour.wav", noise(samples=int(3.5 * PIECE * 2000)), 2000)
    folder = SoundFolder(tmp_path, "*", 2000, 2**24)
    drawn = {folder.draw(np.random.default_rng(seed)).tobytes() for seed in range(60)}
    assert len(drawn) == 4  # of 17.5 seconds each
    assert sum(len(each) // 4 for each in drawn) == pytest.approx(3.5 * PIECE * 2000, rel=0.01)


@pytest.mark.skipif(CORPORA is None, reason="no corpora")
def test_real_noises_of_one_fold():
    folder = SoundFolder(Path(CORPORA) / "noise" / "esc10", "5-*", RATE, 2**26)
    assert folder.files == 80
    drawn = [folder.draw(np.random.default_rng(seed)) for seed in range(20)]
    assert all(0 < len(each) <= 5.1 * RATE and np.abs(each).max() > 1e-4 for each in drawn)
