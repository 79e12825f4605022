"""A training set in tar shards with a dev set beside it, and where the shards are."""

from __future__ import annotations

import logging
from pathlib import Path

import torch

from asr.config import ExperimentConfig
from asr.corpus.manifest import load_manifest
from asr.corpus.shard_index import INDEX
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.training.audio_sets import load_clean_set
from asr.training.examples import Examples, refuse_shared
from asr.training.stored_source import StoredSource
from asr.training.stream import StreamExamples, open_stream
from asr.units import Units

LOGGER = logging.getLogger("asr")


def shards_of(config: ExperimentConfig, data: Path) -> str | None:
    """Where the training set's shards are; None where it is `train.jsonl` and what belongs to it.

    `shards.location` decides; without it, `shards/train` in a data folder that has no `train.jsonl`.
    """
    default = data / "shards" / "train"
    if config.shards.location or (data / "train.jsonl").exists():
        return config.shards.location or None
    return str(default) if (default / INDEX).exists() else None


def load_sharded_sets(
    config: ExperimentConfig, location: str, data: Path, units: Units, device: torch.device
) -> tuple[StreamExamples, Examples, Normaliser]:
    """Examples of both sets, and the normaliser that the model will need.

    Args:
        config: the experiment.
        location: folder or URL of the training set's shards.
        data: data folder with `dev.jsonl` and, where features are read from stores, `features/dev`.
        units: of the model.
        device: where features of audio are computed.

    Raises:
        TrainingError: train and dev share utterances.
        AsrError: anything wrong with shards, manifest, features or texts.
    """
    train = open_stream(location, units, config, device)
    dev = _dev_set(config, data, units, train.normaliser, device)
    refuse_shared(train.shared_with(dev.utterances))
    LOGGER.info(
        "training set: %d utterances, %d shards in %s", len(train.index), len(train.index.entry.shards), location
    )
    return train, dev, train.normaliser


def _dev_set(
    config: ExperimentConfig, data: Path, units: Units, normaliser: Normaliser, device: torch.device
) -> Examples:
    utterances = load_manifest(data / "dev.jsonl")
    if config.features.source == "audio":
        return load_clean_set(config, utterances, units, normaliser, device)
    if config.features.normalisation == "speaker":
        normaliser = Normaliser.of_directory(data / "features" / "dev", config.features)
    store = FeatureStore.open(data / "features" / "dev", config.features)
    return Examples(utterances, StoredSource(utterances, store, normaliser), units, config, training=False)
