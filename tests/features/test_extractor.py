"""The extractor against torchaudio's port of Kaldi, and its independence of batch and padding."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from tests_features import MFCC_OPTIONS, OPTIONS, kaldi_features, speechlike

from asr.config.experiment import load_config
from asr.config.sections import FeatureConfig
from asr.errors import ConfigError
from asr.features.extractor import FeatureExtractor, fbank
from asr.features.filterbank import frame_count


def pad(waves: list[torch.Tensor], value: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(wave) for wave in waves])
    return torch.nn.utils.rnn.pad_sequence(waves, batch_first=True, padding_value=value), lengths


@pytest.mark.parametrize("rate", [8000, 16000, 48000])
@pytest.mark.parametrize(("kind", "options"), [("fbank", o) for o in OPTIONS] + [("mfcc", o) for o in MFCC_OPTIONS])
def test_against_torchaudio(rate, kind, options):
    config = FeatureConfig(kind=kind, sample_rate=rate, **{"mel_bins": 64, **options})
    wave = speechlike(rate + 137, rate)
    ours, expected = FeatureExtractor(config).single(wave), kaldi_features(wave, config)
    assert ours.shape == expected.shape == (frame_count(len(wave), config), config.dimension)
    torch.testing.assert_close(ours, expected, atol=1e-4, rtol=0)


def test_against_torchaudio_on_real_speech():
    corpora = Path(os.environ.get("ASR_CORPORA", "../shared/corpora"))
    files = sorted((corpora / "an4" / "wav").glob("an4test_clstk/*/*"))[:20]
    if not files:
        pytest.skip("AN4 is not here")
    import soundfile

    extractor = FeatureExtractor(FeatureConfig())
    for file in files:
        wave = torch.from_numpy(soundfile.read(file, dtype="float32")[0])
        torch.testing.assert_close(extractor.single(wave), kaldi_features(wave, extractor.config), atol=1e-4, rtol=0)


@pytest.mark.parametrize("options", [{}, {"snip_edges": False}, {"kind": "mfcc", "use_energy": True}, {"dither": 1.0}])
def test_features_are_bit_equal_alone_and_in_any_batch(options):
    extractor = FeatureExtractor(FeatureConfig(**options))
    waves = [speechlike(samples, 16000, seed) for seed, samples in enumerate([16000, 401, 30123, 8000, 399, 56789])]
    alone = [extractor.single(wave) for wave in waves]
    for order in (range(6), [5, 2, 0, 1, 4, 3], [1, 5]):
        features, frames = extractor(*pad([waves[i] for i in order], value=0.5))
        for row, i in enumerate(order):
            assert torch.equal(features[row, : frames[row]], alone[i])
            assert not features[row, frames[row] :].any()


def test_a_frame_does_not_depend_on_what_follows_it():
    extractor = FeatureExtractor(FeatureConfig())
    wave = speechlike(160000, 16000)
    assert torch.equal(extractor.single(wave[:41000]), extractor.single(wave)[: frame_count(41000, extractor.config)])


@pytest.mark.parametrize("snip_edges", [True, False])
def test_shorter_than_one_window_is_no_frames(snip_edges):
    config = FeatureConfig(snip_edges=snip_edges)
    extractor = FeatureExtractor(config)
    for samples in (0, 1, 399):
        features, frames = extractor(torch.zeros(1, samples), torch.tensor([samples]))
        assert features.shape == (1, 0, 80) and frames.tolist() == [0] == [frame_count(samples, config)]
    assert frame_count(400, config) >= 1
    assert extractor(torch.zeros(0, 0), torch.zeros(0, dtype=torch.int64))[0].shape == (0, 0, 80)


def test_frame_count_by_hand():
    assert frame_count(16000, FeatureConfig()) == 98
    assert frame_count(16000, FeatureConfig(snip_edges=False)) == 100
    assert frame_count(8000, FeatureConfig(sample_rate=8000)) == 98


def test_digital_silence_is_the_floor_and_finite():
    features = fbank(torch.zeros(4000))
    torch.testing.assert_close(features, torch.full_like(features, float(np.log(np.finfo(np.float32).eps))))


def test_dither_is_seeded_and_lifts_silence():
    silence = torch.zeros(4000)
    first, again = (fbank(silence, FeatureConfig(dither=1.0)) for _ in range(2))
    assert torch.equal(first, again)
    assert not torch.equal(first, fbank(silence, FeatureConfig(dither=1.0, dither_seed=1)))
    # White noise of unit variance, pre-emphasised and windowed, has energy in every filter.
    assert first.min() > fbank(silence).max()


def test_a_louder_wave_is_higher_by_its_gain():
    wave = speechlike(16000, 16000) + 0.01 * torch.randn(16000, generator=torch.Generator().manual_seed(0))
    gain = fbank(wave / 2) - fbank(wave)
    loud = fbank(wave) > 0
    torch.testing.assert_close(gain[loud], torch.full_like(gain[loud], -2 * np.log(2)), atol=1e-3, rtol=0)


def test_fbank_takes_numpy_and_ignores_the_kind():
    wave = speechlike(16000, 16000)
    assert torch.equal(fbank(wave.numpy(), FeatureConfig(kind="mfcc")), FeatureExtractor(FeatureConfig()).single(wave))


@pytest.mark.parametrize("lengths", [[5000], [100, 5001], [-1, 5]])
def test_wrong_shapes_and_lengths_raise(lengths):
    with pytest.raises(ValueError, match="length"):
        FeatureExtractor(FeatureConfig())(torch.zeros(2, 5000), torch.tensor(lengths))


def test_empty_filters_are_warned_of(caplog):
    FeatureExtractor(FeatureConfig(sample_rate=8000, mel_bins=128))
    assert "use fewer mel bins" in caplog.text


@pytest.mark.parametrize(
    "setting", ["high_hz=9000", "high_hz=-8000", "low_hz=8000", "frame_length_ms=0.01", "frame_shift_ms=0.01"]
)
def test_impossible_settings_are_config_errors(setting):
    with pytest.raises(ConfigError, match="features"):
        load_config(settings=[f"features.{setting}"])


def test_more_cepstra_than_filters_is_a_config_error():
    with pytest.raises(ConfigError, match="cepstra 30"):
        load_config(settings=["features.kind=mfcc", "features.cepstra=30", "features.mel_bins=23"])


@pytest.mark.gpu
def test_gpu_equals_cpu():
    extractor = FeatureExtractor(FeatureConfig())
    waves, lengths = pad([speechlike(samples, 16000) for samples in (16000, 5000, 23456)])
    expected, frames = extractor(waves, lengths)
    features, same = extractor.cuda()(waves.cuda(), lengths.cuda())
    assert same.tolist() == frames.tolist()
    torch.testing.assert_close(features.cpu(), expected, atol=2e-3, rtol=0)
