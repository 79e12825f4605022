"""A training set in tar shards with a dev set beside it, and where the shards are."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from pathlib import Path

import torch

from asr.batches.audio import AudioSource
from asr.batches.examples import Examples, refuse_shared
from asr.batches.statistics import measured_normaliser
from asr.batches.stored import StoredSource
from asr.batches.streamed import StreamExamples, open_stream
from asr.config.experiment import ExperimentConfig
from asr.corpus.manifest import Manifest, load_manifest
from asr.corpus.utterance import Utterance
from asr.features.augmentation.waves import WaveAugmenter
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.features.waves import Waves
from asr.shards.index import INDEX
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


LOGGER = logging.getLogger("asr")


MEGABYTE = 2**20


def load_audio_sets(
    config: ExperimentConfig, train: Iterable[Utterance], dev: Iterable[Utterance], units: Units, device: torch.device
) -> tuple[Examples, Examples, Normaliser]:
    """Examples of both sets, and the normaliser that the model will need.

    Args:
        config: the experiment.
        train: training utterances, which are augmented; gone through twice.
        dev: validation utterances, which are not; gone through three times.
        units: of the model.
        device: where features are computed.

    Raises:
        TrainingError: train and dev share utterances.
        AsrError: audio is missing, a folder of noises or rooms holds none, or a text does not fit its utterance.
    """
    settings = config.features
    waves = Waves(train, settings.sample_rate, config.training.audio_cache_mb * MEGABYTE)
    refuse_shared({utterance.id for utterance in dev if utterance.id in waves.spans})
    augmenter = WaveAugmenter(config.augmentation, settings.sample_rate, config.seed)
    LOGGER.info("audio: %s", augmenter.describe() or "clean")
    normaliser = measured_normaliser(waves, settings)
    source = AudioSource(waves, settings, normaliser, augmenter, device)
    dev_examples = load_clean_set(config, dev, units, normaliser, device)
    return Examples(train, source, units, config, training=True), dev_examples, normaliser


def load_clean_set(
    config: ExperimentConfig,
    utterances: Iterable[Utterance],
    units: Units,
    normaliser: Normaliser,
    device: torch.device,
) -> Examples:
    """Examples of a set to validate with, from its audio.

    Args:
        config: the experiment.
        utterances: the set; gone through twice.
        units: of the model.
        normaliser: of the training set; "speaker" measures this set's own.
        device: where features are computed.

    Raises:
        AsrError: audio is missing or unreadable.
    """
    waves = Waves(utterances, config.features.sample_rate, config.training.audio_cache_mb * MEGABYTE)
    if config.features.normalisation == "speaker":
        normaliser = measured_normaliser(waves, config.features)
    source = AudioSource(waves, config.features, normaliser, None, device)
    return Examples(utterances, source, units, config, training=False)


TrainingSet = Examples | StreamExamples


def load_sets(
    config: ExperimentConfig, data: Path, units: Units, device: torch.device, leave_out: Collection[str] = ()
) -> tuple[TrainingSet, Examples, Normaliser]:
    """Training and dev examples of a data folder, and what normalises the features a model of it will hear.

    Args:
        config: the experiment.
        data: data folder.
        units: of the model.
        device: where features of waves are computed.
        leave_out: ids to do without; shards are taken whole.

    Raises:
        AsrError: anything wrong with manifests, features or texts of the others.
    """
    shards = shards_of(config, data)
    if shards is not None:
        return load_sharded_sets(config, shards, data, units, device)
    train_set, dev_set = (Manifest(data / f"{name}.jsonl", leave_out) for name in ("train", "dev"))
    if config.features.source == "audio":
        return load_audio_sets(config, train_set, dev_set, units, device)
    return _load_stored_sets(config, data, train_set, dev_set, units)


def _load_stored_sets(
    config: ExperimentConfig, data: Path, train_set: Manifest, dev_set: Manifest, units: Units
) -> tuple[Examples, Examples, Normaliser]:
    stores = {name: FeatureStore.open(data / "features" / name, config.features) for name in ("train", "dev")}
    train_normaliser = Normaliser.of_directory(data / "features" / "train", config.features)
    dev_normaliser = train_normaliser
    if config.features.normalisation == "speaker":
        dev_normaliser = Normaliser.of_directory(data / "features" / "dev", config.features)
    train_source = StoredSource(train_set, stores["train"], train_normaliser)
    train = Examples(train_set, train_source, units, config, training=True)
    refuse_shared(train.shared_with(utterance.id for utterance in dev_set))
    dev_source = StoredSource(dev_set, stores["dev"], dev_normaliser)
    dev = Examples(dev_set, dev_source, units, config, training=False)
    return train, dev, train_normaliser
