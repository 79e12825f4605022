"""Feature settings, made-up speech, and what torchaudio's port of Kaldi computes from it."""

import numpy as np
import pytest
import torch

from asr.config.sections import FeatureConfig
from asr.features.filterbank import FULL_SCALE

OPTIONS = [
    {},
    {"snip_edges": False},
    {"window": "hamming"},
    {"window": "hanning", "remove_dc_offset": False},
    {"window": "rectangular", "preemphasis": 0.0},
    {"use_energy": True},
    {"use_energy": True, "raw_energy": False, "energy_floor": 0.0},
    {"use_energy": True, "htk_compat": True},
    {"low_hz": 100.0, "high_hz": -400.0},
    {"low_hz": 0.0, "high_hz": 3700.0},
    {"mel_bins": 23, "frame_length_ms": 32.0, "frame_shift_ms": 12.5},
    {"mel_bins": 40, "frame_shift_ms": 25.0, "frame_length_ms": 20.0, "snip_edges": False},
]
MFCC_OPTIONS = [
    {"mel_bins": 23},
    {"cepstral_lifter": 0.0, "snip_edges": False},
    {"cepstra": 20, "use_energy": True},
    {"htk_compat": True},
    {"htk_compat": True, "use_energy": True},
]


def speechlike(samples: int, rate: int, seed: int = 0) -> torch.Tensor:
    """Harmonics of a gliding pitch in bursts, with weak noise, an offset and a stretch of digital silence."""
    random = np.random.default_rng(seed)
    time = np.arange(samples) / rate
    phase = 2 * np.pi * np.cumsum(120 + 40 * np.sin(3 * time)) / rate
    voice = sum(np.sin(k * phase) / k for k in range(1, 25) if k * 160 < rate / 2)
    wave = 0.1 * voice * (np.sin(9 * time) > -0.3) + 0.003 * random.standard_normal(samples) + 0.01
    wave[samples // 2 : samples // 2 + rate // 10] = 0.0
    return torch.from_numpy(wave.astype(np.float32))


def kaldi_features(wave: torch.Tensor, config: FeatureConfig) -> torch.Tensor:
    """What torchaudio computes with the same options, in float64: its float32 is off by up to 1.7e-4 at quiet bins."""
    kaldi = pytest.importorskip("torchaudio.compliance.kaldi")
    options = {
        "sample_frequency": float(config.sample_rate),
        "frame_length": config.frame_length_ms,
        "frame_shift": config.frame_shift_ms,
        "num_mel_bins": config.mel_bins,
        "low_freq": config.low_hz,
        "high_freq": config.high_hz,
        "window_type": config.window,
        "preemphasis_coefficient": config.preemphasis,
        "remove_dc_offset": config.remove_dc_offset,
        "use_energy": config.use_energy,
        "raw_energy": config.raw_energy,
        "energy_floor": config.energy_floor,
        "htk_compat": config.htk_compat,
        "snip_edges": config.snip_edges,
    }
    if config.kind == "fbank":
        return kaldi.fbank(wave[None].double() * FULL_SCALE, **options).float()
    extra = {"num_ceps": config.cepstra, "cepstral_lifter": config.cepstral_lifter}
    return kaldi.mfcc(wave[None].double() * FULL_SCALE, **options, **extra).float()
