"""Training and validation examples straight from a manifest's audio, without a feature store.

Shapes: T frames, F features.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

import torch

from asr.config import ExperimentConfig, FeatureConfig
from asr.corpus.utterance import Utterance
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import CmvnStatistics, Normaliser
from asr.features.wave_augmentation import WaveAugmenter
from asr.features.waves import Waves
from asr.progress import track
from asr.training.audio_source import AudioSource
from asr.training.examples import Examples, refuse_shared
from asr.units import Units

LOGGER = logging.getLogger("asr")
MEGABYTE = 2**20
OF_A_SET, OF_A_SPEAKER = 2000, 50  # utterances that statistics are taken from


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


def measured_normaliser(waves: Waves, config: FeatureConfig) -> Normaliser:
    """What `features.normalisation` does with this set, its statistics measured on clean audio where it needs some.

    "global" measures 2,000 utterances spread evenly over the set, "speaker" up to 50 of each speaker.

    Raises:
        AsrError: unreadable audio.
    """
    spans = waves.spans
    if config.normalisation == "global":
        chosen = spans.names[:: -(-len(spans) // OF_A_SET)]
        return Normaliser("global", sum(_statistics(waves, chosen, config), CmvnStatistics.empty(config.dimension)))
    if config.normalisation == "speaker":
        return Normaliser("speaker", speakers=_of_speakers(waves, config))
    return Normaliser(config.normalisation)


def _of_speakers(waves: Waves, config: FeatureConfig) -> dict[str, CmvnStatistics]:
    total: dict[str, CmvnStatistics] = {}
    chosen = [
        (speaker, waves.spans.names[number])
        for speaker, numbers in waves.spans.by_speaker()
        for number in numbers[:OF_A_SPEAKER].tolist()
        if speaker
    ]
    names = [name for _, name in chosen]
    for (speaker, _), statistics in zip(chosen, _statistics(waves, names, config), strict=True):
        total[speaker] = total.get(speaker, CmvnStatistics.empty(config.dimension)) + statistics
    return total


def _statistics(waves: Waves, chosen: Sequence[str], config: FeatureConfig) -> Iterable[CmvnStatistics]:
    extractor = FeatureExtractor(config)
    for name in track(chosen, "statistics"):
        yield CmvnStatistics.of(extractor.single(torch.from_numpy(waves[name])).numpy())
