"""The learning rate as a pure function of how much of training is done: linear warm-up, then cosine decay."""

from __future__ import annotations

import math

from asr.config.sections import TrainingConfig


def learning_rate(progress: float, config: TrainingConfig) -> float:
    """Learning rate of an update.

    Args:
        progress: share of training done once this update is, in (0, 1].
        config: peak, warm-up share and final share.

    Returns:
        A rate that rises linearly over the warm-up to the peak and falls along half a cosine (Loshchilov & Hutter
        2017) to `final_share` of it.
    """
    if progress < config.warmup_share:
        return config.learning_rate * progress / config.warmup_share
    decayed = min(1.0, (progress - config.warmup_share) / (1 - config.warmup_share))
    low = config.learning_rate * config.final_share
    return low + (config.learning_rate - low) * 0.5 * (1 + math.cos(math.pi * decayed))
