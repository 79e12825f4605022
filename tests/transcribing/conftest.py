"""Fixtures of the transcribing tests."""

import pytest
from tests_model import RATE, sounds, write_model

from asr.audio.reading import write_audio
from asr.transcribing.recognizer import Recognizer


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """An untrained model's folder."""
    return write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture(scope="session")
def recognizer(model_folder):
    """That model, loaded."""
    return Recognizer.load(model_folder, device="cpu")


@pytest.fixture
def recordings(tmp_path):
    """Four WAV files in a folder, one in a subfolder."""
    folder = tmp_path / "recordings"
    (folder / "deep").mkdir(parents=True)
    for name, wave in zip(("a", "b", "c", "deep/a"), sounds(4), strict=True):
        write_audio(folder / f"{name}.wav", wave, RATE)
    return folder
