"""What normalises the features of a training set that is read as audio: measured on a part of it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch

from asr.config.sections import FeatureConfig
from asr.features.extractor import FeatureExtractor
from asr.features.normalisation import CmvnStatistics, Normaliser
from asr.features.waves import Waves
from asr.progress import track

OF_A_SET, OF_A_SPEAKER = 2000, 50  # utterances that statistics are taken from


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
