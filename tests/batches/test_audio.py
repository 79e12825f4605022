"""Input from audio: the features of the store, computed on the fly; lengths that can be trusted; masks by length."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests_waves import TOY_RATE, toy_audio_config, write_audio_data

from asr.batches.audio import AudioSource
from asr.config.sections import FeatureConfig
from asr.corpus.manifest import load_manifest
from asr.features.augmentation.perturbation import perturb_speed
from asr.features.computing import compute_features, speed_id
from asr.features.filterbank import frame_count
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.features.waves import Waves

CONFIG = toy_audio_config().features
SPEEDS = (0.9, 1.0, 1.1)


@pytest.fixture
def waves(tmp_path):
    """The toy training set."""
    write_audio_data(tmp_path)
    return Waves(load_manifest(tmp_path / "train.jsonl"), TOY_RATE, 2**24)


def source_of(waves, config=CONFIG, kind="none", augmenter=None):
    return AudioSource(waves, config, Normaliser(kind), augmenter, torch.device("cpu"))


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 0.0), ("float16", 0.008)])
def test_clean_features_are_those_of_the_store(waves, tmp_path, dtype, tolerance):
    """To the bit on the CPU, at every speed, whatever the batch; float16 storage alone rounds."""
    config = CONFIG.model_copy(update={"store_dtype": dtype})
    compute_features(tmp_path / "train.jsonl", tmp_path / "store", config, speeds=SPEEDS)
    store, source = FeatureStore.open(tmp_path / "store"), source_of(waves)
    names = list(waves.spans.names)[:9]
    speeds = [SPEEDS[number % 3] for number in range(9)]
    features, frames = source.features(names, *source.load(names, speeds, None))
    for row, (name, speed) in enumerate(zip(names, speeds, strict=True)):
        stored = store[speed_id(name, speed)]
        assert int(frames[row]) == len(stored)
        np.testing.assert_allclose(features[row, : len(stored)], stored, rtol=0, atol=tolerance)
        assert not features[row, len(stored) :].any()


@pytest.mark.parametrize("kind", ["utterance", "none"])
def test_an_utterance_does_not_depend_on_its_batch(waves, kind):
    source, names = source_of(waves, kind=kind), list(waves.spans.names)[:6]
    together, frames = source.features(names, *source.load(names, [1.0] * 6, None))
    for row, name in enumerate(names):
        alone, _ = source.features([name], *source.load([name], [1.0], None))
        torch.testing.assert_close(together[row, : frames[row]], alone[0], rtol=0, atol=0)


@pytest.mark.parametrize("threads", [1, 2])
def test_threads_change_no_bit_and_are_given_back(waves, threads):
    source, names = source_of(waves, kind="utterance"), list(waves.spans.names)[:4]
    loaded = source.load(names, [1.0] * 4, None)
    expected, _ = source.features(names, *loaded)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        features, _ = source.features(names, *loaded)
        assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert torch.equal(features, expected)


@settings(deadline=None)
@given(samples=st.integers(400, 60_000), thousandths=st.integers(700, 1400))
def test_no_frame_is_promised_that_resampling_could_miss(samples, thousandths):
    class Lengths:
        def samples(self, name):
            return samples

    source = AudioSource(Lengths(), FeatureConfig(), Normaliser("none"), None, torch.device("cpu"))
    speed = thousandths / 1000
    wave = perturb_speed(np.zeros(samples, np.float32), speed)
    have = frame_count(len(wave), source.config)
    assert have - 1 <= source.frames("any", speed) <= have


def test_the_augmenter_hears_the_utterance_at_its_speed_and_only_in_augmented_epochs(waves):
    heard = []

    def louder(wave, name, epoch):
        heard.append((len(wave), name, epoch))
        return wave * 2

    source = source_of(waves, augmenter=louder)
    clean, _ = source.load(["train-000"], [1.0], None)
    assert heard == []
    loud, lengths = source.load(["train-000"], [0.5], 7)
    assert heard == [(int(lengths[0]), "train-000", 7)]
    assert int(lengths[0]) == pytest.approx(2 * clean.shape[1], abs=2)
    assert float(loud.abs().max()) == pytest.approx(2 * float(clean.abs().max()), rel=0.05)


@pytest.mark.gpu
def test_features_on_the_gpu_are_those_of_the_cpu(waves):
    names = list(waves.spans.names)[:6]
    host = source_of(waves, kind="utterance")
    device = AudioSource(waves, CONFIG, Normaliser("utterance"), None, torch.device("cuda"))
    assert device.late and not host.late
    expected, frames = host.features(names, *host.load(names, [1.0] * 6, None))
    features, counts = device.features(names, *device.load(names, [1.0] * 6, None))
    assert features.device.type == "cuda"
    assert counts.tolist() == frames.tolist()
    torch.testing.assert_close(features.cpu(), expected, atol=2e-3, rtol=0)
