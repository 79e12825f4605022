"""The longest batch of a training, tried before its first update: what it needs is known then, not after hours."""

from __future__ import annotations

from asr.batches.plan import EpochPlan
from asr.batches.sets import TrainingSet
from asr.config.experiment import ExperimentConfig
from asr.training.cost.memory import memory_now
from asr.training.step.splitting import stretched
from asr.training.step.update import Updater


def rehearse_longest(
    updater: Updater, examples: TrainingSet, plan: EpochPlan, epoch: int, config: ExperimentConfig
) -> tuple[int, int]:
    """Try the longest batch of an epoch, as long as the slowest speed of later epochs can make it.

    Args:
        updater: left as it is, but for the size of batch that it may learn not to fit.
        examples: the training set.
        plan: of the epoch.
        epoch: from 0.
        config: the experiment.

    Returns:
        Bytes in use before, and bytes that the batch took beside them.

    Raises:
        TrainingError: an utterance does not fit the memory even alone.
    """
    batch = examples.batch(plan.batches[plan.longest], epoch)
    most_frames = int(config.batching.seconds * 1000 / config.features.frame_shift_ms)
    before = memory_now(updater.device)
    updater.rehearse(stretched(batch, 1 / config.augmentation.slowest, most_frames))
    return before, max(0, memory_now(updater.device) - before)
