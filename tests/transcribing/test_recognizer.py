"""The recogniser: same result from a file or an array, alone or in a batch; clear errors otherwise."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from tests_model import RATE, sounds, write_model

import asr
from asr.audio.reading import write_audio
from asr.config.experiment import load_config, save_config
from asr.errors import AudioError, ConfigError, ModelError, UsageError
from asr.model.directory import load_trained
from asr.transcribing.recognizer import Recognizer


def test_load_model_transcribes_a_file_and_an_array_alike(model_folder, tmp_path):
    model = asr.load_model(model_folder, device="cpu")
    wave = np.round(sounds(1)[0] * 32768).astype(np.int16)
    write_audio(tmp_path / "a.wav", wave.astype(np.float32) / 32768, RATE)
    from_file = model.transcribe(tmp_path / "a.wav")
    assert from_file.text
    assert model.transcribe(str(tmp_path / "a.wav")) == from_file
    assert model.transcribe(wave, sample_rate=RATE) == from_file
    assert model.transcribe(wave.astype(np.float32) / 32768) == from_file


@pytest.mark.parametrize("front_end", ["convolution", "stacking"])
def test_batch_size_and_order_change_neither_text_nor_log_probs(tmp_path, front_end):
    recognizer = Recognizer.load(write_model(tmp_path / "model", front_end=front_end), device="cpu")
    waves = sounds(32, seed=3)
    alone = [recognizer.log_probs([wave])[0] for wave in waves]
    texts = [recognizer.transcribe(wave).text for wave in waves]
    for size in (8, 32):
        batched = [row for i in range(0, 32, size) for row in recognizer.log_probs(waves[i : i + size])]
        for one, many in zip(alone, batched, strict=True):
            np.testing.assert_allclose(one, many, rtol=0, atol=1e-5)
    backwards = recognizer.transcribe_batch(waves[::-1])
    assert [transcript.text for transcript in backwards][::-1] == texts


def test_words_lie_in_order_inside_the_recording(recognizer):
    wave = sounds(1, seed=5)[0]
    transcript = recognizer.transcribe(wave)
    words = transcript.segments[0].words
    assert transcript.text == " ".join(word.text for word in words)
    assert words[0].start >= 0
    assert words[-1].end <= transcript.duration == pytest.approx(len(wave) / RATE)
    for left, right in pairwise(words):
        assert left.start <= left.end <= right.start
    assert all(0 <= word.confidence <= 1 for word in words)


@pytest.mark.parametrize("samples", [0, 1, 50, 199])
def test_recordings_shorter_than_a_window_have_empty_text(recognizer, samples):
    transcript = recognizer.transcribe(np.zeros(samples, np.float32))
    assert transcript.text == ""
    assert transcript.segments == []


def test_empty_recordings_may_share_a_batch_with_others(recognizer):
    waves = [np.zeros(0, np.float32), sounds(1)[0]]
    assert recognizer.transcribe_batch(waves)[1] == recognizer.transcribe(waves[1])


@pytest.mark.parametrize(
    ("samples", "message"),
    [
        (np.zeros((2, 100), np.float32), "has shape"),
        (np.zeros(100, np.int32), "holds int32"),
        (np.full(100, np.nan, np.float32), "not finite"),
    ],
)
def test_arrays_that_are_not_mono_audio_are_refused(recognizer, samples, message):
    with pytest.raises(AudioError, match=message):
        recognizer.transcribe(samples)
    with pytest.raises(UsageError, match="is not a rate"):
        recognizer.transcribe(np.zeros(10, np.float32), sample_rate=0)


def test_a_folder_that_is_no_model_is_named(tmp_path):
    with pytest.raises(ModelError, match=r"has no model\.safetensors"):
        asr.load_model(tmp_path)


@pytest.mark.parametrize(("file", "other"), [("model.onnx", "model.safetensors"), ("model.safetensors", "model.onnx")])
def test_damaged_weights_are_named(tmp_path, file, other):
    folder = write_model(tmp_path / "model")
    weights = folder / file
    weights.write_bytes(weights.read_bytes()[:-50])
    if file == "model.safetensors":
        (folder / other).unlink()  # with a graph beside them they are not read
    with pytest.raises(ModelError, match=file.replace(".", r"\.") + ": is damaged"):
        asr.load_model(folder)


def test_weights_of_another_configuration_are_named(tmp_path):
    folder = write_model(tmp_path / "model")
    save_config(load_config(folder / "config.yaml", ["model.hidden=11"]), folder / "config.yaml")
    with pytest.raises(ModelError, match=r"does not fit config\.yaml"):
        asr.load_model(folder)


def test_an_unknown_key_in_the_models_configuration_is_named(tmp_path):
    folder = write_model(tmp_path / "model")
    with (folder / "config.yaml").open("a") as stream:
        stream.write("surprise: 1\n")
    with pytest.raises(ConfigError, match="surprise: unknown configuration key"):
        asr.load_model(folder)


def test_loading_needs_nothing_but_the_folder_and_never_unpickles(model_folder, monkeypatch):
    monkeypatch.setattr(torch, "load", None)
    assert load_trained(model_folder).seconds_per_frame == pytest.approx(0.02)
