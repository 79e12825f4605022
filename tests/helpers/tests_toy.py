"""A toy task that a tiny model learns in seconds: every character is a fixed pattern of a few noisy frames."""

import numpy as np

from asr.config.experiment import ExperimentConfig
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.features.normalisation import GLOBAL, SPEAKERS, CmvnStatistics, save_statistics
from asr.features.store import FeatureStoreWriter
from asr.units import build_units

LETTERS = "abcd"
BINS = 8


def toy_config(**sections):
    """A configuration small enough for tests; sections override it."""
    base = {
        "name": "toy",
        "features": {"mel_bins": BINS, "normalisation": "utterance", "store_dtype": "float32"},
        "augmentation": {"first_epoch": 2, "speeds": [1.0], "frequency_mask_bins": 2, "time_mask_frames": 3},
        "model": {
            "front_end": "stacking",
            "input_size": 24,
            "time_reduction": 2,
            "layers": 1,
            "hidden": 24,
            "dropout": 0.1,
        },
        "batching": {"utterances": 4, "seconds": 20.0, "shortest_first_epochs": 1},
        "training": {"epochs": 3, "learning_rate": 0.01, "average": 2, "log_steps": 5, "save_steps": 4},
    }
    for section, values in sections.items():
        base[section] = {**base.get(section, {}), **values} if isinstance(values, dict) else values
    return ExperimentConfig.model_validate(base)


def speak(text, generator):
    """Features (T, BINS) of a text: per character five frames of its own pattern, noise everywhere."""
    patterns = np.random.default_rng(0).normal(0, 3, (len(LETTERS) + 1, BINS))
    silence = np.zeros((2, BINS))
    frames = [silence]
    for character in text:
        frames += [np.repeat(patterns[(LETTERS + " ").index(character)][None], 5, axis=0), silence]
    clean = np.concatenate(frames)
    return (clean + generator.normal(0, 0.3, clean.shape)).astype(np.float32)


def write_set(folder, name, count, config, seed):
    """A manifest and a feature store of random texts."""
    generator = np.random.default_rng(seed)
    utterances, overall = [], CmvnStatistics.empty(BINS)
    with FeatureStoreWriter(folder / "features" / name, BINS, "float32", config.features) as writer:
        for index in range(count):
            words = ["".join(generator.choice(list(LETTERS), generator.integers(1, 4))) for _ in range(2)]
            features = speak(" ".join(words), generator)
            identifier = f"{name}-{index:03d}"
            writer.append(identifier, features)
            overall += CmvnStatistics.of(features)
            utterances.append(
                Utterance(identifier, "none.wav", 0.0, len(features) / 100, text=" ".join(words), speaker=name)
            )
        overall.save(writer.directory / GLOBAL)
        save_statistics({name: overall}, writer.directory / SPEAKERS)
    write_manifest(folder / f"{name}.jsonl", utterances)
    return utterances


def write_toy_data(folder):
    """A data folder as `asr train` wants it: 24 training and 8 dev utterances."""
    folder.mkdir(parents=True)
    config = toy_config()
    train = write_set(folder, "train", 24, config, seed=1)
    write_set(folder, "dev", 8, config, seed=2)
    build_units([utterance.text for utterance in train], config.units).save(folder / "units.txt")
    return folder
