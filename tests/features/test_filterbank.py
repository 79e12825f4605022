"""The NumPy features against torchaudio's port of Kaldi and against the extractor that training uses."""

import os
from pathlib import Path

import numpy as np
import pytest
from tests_features import MFCC_OPTIONS, OPTIONS, kaldi_features, speechlike

from asr.config.sections import FeatureConfig
from asr.features.extractor import FeatureExtractor
from asr.features.filterbank import Filterbank, frame_count

KINDS = [("fbank", o) for o in OPTIONS] + [("mfcc", o) for o in MFCC_OPTIONS]


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize(("kind", "options"), KINDS)
def test_against_torchaudio_and_the_training_side(rate, kind, options):
    config = FeatureConfig(kind=kind, sample_rate=rate, **{"mel_bins": 64, **options})
    wave = speechlike(rate + 137, rate)
    ours = Filterbank(config)(wave.numpy())
    assert ours.shape == (frame_count(len(wave), config), config.dimension) and ours.dtype == np.float32
    np.testing.assert_allclose(ours, kaldi_features(wave, config).numpy(), atol=1e-4, rtol=0)
    np.testing.assert_allclose(ours, FeatureExtractor(config).single(wave).numpy(), atol=1e-5, rtol=1e-6)


def test_against_torchaudio_on_real_speech():
    corpora = Path(os.environ.get("ASR_CORPORA", "../shared/corpora"))
    files = sorted((corpora / "an4" / "wav").glob("an4test_clstk/*/*"))[:20]
    if not files:
        pytest.skip("AN4 is not here")
    import soundfile
    import torch

    filterbank = Filterbank(FeatureConfig())
    for file in files:
        wave = soundfile.read(file, dtype="float32")[0]
        expected = kaldi_features(torch.from_numpy(wave), filterbank.config).numpy()
        np.testing.assert_allclose(filterbank(wave), expected, atol=1e-4, rtol=0)


def test_dither_is_that_of_the_training_side():
    config = FeatureConfig(dither=1.0)
    wave = speechlike(9000, 16000)
    np.testing.assert_allclose(Filterbank(config)(wave.numpy()), FeatureExtractor(config).single(wave), atol=1e-5)


@pytest.mark.parametrize("options", [{}, {"snip_edges": False}, {"kind": "mfcc", "use_energy": True}])
def test_a_frame_does_not_depend_on_what_follows_it(options):
    config = FeatureConfig(**options)
    wave = speechlike(48000, 16000).numpy()
    whole, part = Filterbank(config)(wave), Filterbank(config)(wave[:31000])
    inside = len(part) - 2  # without snip_edges the last frames mirror the end
    assert np.array_equal(part[:inside], whole[:inside])


def test_shorter_than_one_window_is_no_frames():
    filterbank = Filterbank(FeatureConfig())
    assert [filterbank(np.zeros(samples, np.float32)).shape for samples in (0, 399, 400)] == [(0, 80), (0, 80), (1, 80)]
