"""A small untrained model folder: its text is nonsense, but always the same nonsense."""

import numpy as np
import torch

from asr.config.experiment import ExperimentConfig
from asr.features.normalisation import Normaliser
from asr.model.directory import build_model, save_model
from asr.units import BLANK_SYMBOL, Units

RATE = 8000


def model_config(**model):
    """Sizes that load and run in milliseconds."""
    return ExperimentConfig.model_validate(
        {
            "name": "tiny",
            "features": {"sample_rate": RATE, "mel_bins": 20, "high_hz": 3800},
            "model": {"channels": 2, "input_size": 12, "layers": 2, "hidden": 10, "time_reduction": 2, **model},
            "augmentation": {"frequency_mask_bins": 4},
        }
    )


def write_model(folder, **model):
    """A model folder whose output layer is loud enough to say something."""
    config = model_config(**model)
    units = Units("characters", [BLANK_SYMBOL, " ", "a", "b", "c", "d"])
    torch.manual_seed(4)
    weights = build_model(config, units).state_dict()
    weights["output.weight"] *= 6
    save_model(folder, weights, config, units, Normaliser("utterance"), "# tiny\n")
    return folder


def sounds(count=6, seed=0):
    """Noisy sweeps of 0.2 to 2 seconds, float32 in -1..1."""
    generator = np.random.default_rng(seed)
    waves = []
    for seconds in generator.uniform(0.2, 2.0, count):
        time = np.arange(int(seconds * RATE)) / RATE
        sweep = np.sin(2 * np.pi * (200 + 900 * time + generator.uniform(0, 500)) * time)
        waves.append((0.3 * sweep + 0.05 * generator.normal(size=len(time))).astype(np.float32))
    return waves
