"""Fixtures of the command-line tests: a tiny model folder and a manifest that it can be run on."""

import pytest
from tests_model import RATE, sounds, write_model

from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance

TEXTS = ["ab cd", "b", "dab", "a cab"]


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """An untrained model's folder; its units are space and a to d."""
    return write_model(tmp_path_factory.mktemp("model") / "model")


@pytest.fixture
def manifest(tmp_path):
    """Four utterances of up to two seconds."""
    utterances = []
    for number, (text, wave) in enumerate(zip(TEXTS, sounds(4, seed=2), strict=True)):
        write_audio(tmp_path / f"u{number}.wav", wave, RATE)
        utterances.append(Utterance(f"u{number}", f"u{number}.wav", 0.0, len(wave) / RATE, text=text))
    write_manifest(tmp_path / "set.jsonl", utterances)
    return tmp_path / "set.jsonl"
