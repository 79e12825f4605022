"""What is checked about a set of shards before training begins, from the index wherever that is enough."""

from __future__ import annotations

import numpy as np

from asr.batches.rows import check_feasible, spell
from asr.batches.stream_plan import StreamPlan
from asr.config.experiment import ExperimentConfig
from asr.errors import ConfigError, FeatureError, TrainingError, UnitsError
from asr.shards.index import ShardIndex
from asr.shards.samples import utterance_at
from asr.units import Units

SHOWN = 10  # offending utterances that are read to name them


def check_stream(index: ShardIndex, units: Units, config: ExperimentConfig) -> None:
    """Refuse a set that a configuration cannot train on.

    Raises:
        ConfigError: the configuration augments what these shards do not hold.
        FeatureError: a speed is not stored, or features were computed with other settings.
        UnitsError: a text has characters outside the units.
        TrainingError: an utterance is longer than a batch, or its text cannot fit its frames.
    """
    _check_augmentation(index, config)
    _check_features(index, config)
    _check_lengths(index, config)
    _check_characters(index, units)
    _check_feasible(index, units, config)


def _check_augmentation(index: ShardIndex, config: ExperimentConfig) -> None:
    settings = config.augmentation
    if settings.speed_range or settings.speed_probability < 1:
        name = "speed_range" if settings.speed_range else "speed_probability"
        raise ConfigError(f"augmentation.{name}", "is not for shards", "list augmentation.speeds")
    if settings.needing_waves and index.entry.payload == "npy":
        reason = f"changes waveforms, and the shards in {index.location.address} hold features"
        raise ConfigError(f"augmentation.{settings.needing_waves[0]}", reason, "write shards of audio")


def _check_features(index: ShardIndex, config: ExperimentConfig) -> None:
    entry = index.entry
    if entry.payload != "npy" or entry.features is None:
        return
    if not config.features.computes_as(entry.features):
        reason = "hold features that were computed with other settings"
        raise FeatureError(index.location.address, reason, "write the shards again from features of this configuration")
    for speed in config.augmentation.speeds:
        if speed not in entry.speeds:
            remedy = f"run 'asr features --speeds' with {speed:g} and write the shards again"
            raise FeatureError(index.location.address, f"do not hold speed {speed:g}", remedy)


def _check_lengths(index: ShardIndex, config: ExperimentConfig) -> None:
    slowest = min([1.0, *config.augmentation.speeds])
    for shard in index.entry.shards:
        longest = shard.longest / slowest
        if longest > config.batching.seconds:
            raise TrainingError(
                index.location.name(shard.name),
                f"holds {longest:.1f} s in one utterance (at speed {slowest:g}), a batch holds "
                f"{config.batching.seconds:g} s",
                "raise batching.seconds, or drop it from the manifest and write the shards again",
            )


def _check_characters(index: ShardIndex, units: Units) -> None:
    if units.kind != "characters":
        return
    for shard in index.entry.shards:
        if missing := units.missing(shard.characters):
            listed = " ".join(map(repr, missing))
            remedy = "'asr shard --verify --units' names the utterances"
            raise UnitsError(index.location.name(shard.name), f"has {listed} outside the units", remedy)


def _check_feasible(index: ShardIndex, units: Units, config: ExperimentConfig) -> None:
    """Whether every target fits its output frames; a text is read only where the index leaves doubt."""
    # Pieces of BPE are never more than characters, but for the sign that begins the first word; a letter may be three
    # phones (X).
    extra, most = int(units.kind == "bpe"), 3 if units.kind == "phones" else 1
    plan = StreamPlan(index, config, 0)
    names, frames, targets = [], [], []
    for shard_number in range(len(index.entry.shards)):
        records = index.members(shard_number)
        have = -(-plan.frames(records, 0) // config.model.time_reduction)
        for row in np.flatnonzero(have < most * records["needed"].astype(np.int64) + extra):
            utterance = utterance_at(index, shard_number, int(row))
            names.append(utterance.id)
            frames.append(int(have[row]))
            targets.append(spell(utterance, units, strict=True) or [])
            if units.kind == "characters" and len(names) == SHOWN:
                break
        if len(names) >= SHOWN:
            check_feasible(names, frames, targets)
            names, frames, targets = [], [], []
    check_feasible(names, frames, targets)
