"""SpecAugment (Park et al., "SpecAugment: A Simple Data Augmentation Method for ASR", Interspeech 2019).

Shapes: T frames, F features.
"""

from __future__ import annotations

import numpy as np
import torch

from asr.config.experiment import AugmentationConfig


def spec_augment(features: torch.Tensor, config: AugmentationConfig, generator: np.random.Generator) -> torch.Tensor:
    """Warp and mask one utterance's normalised features, on which zero is the mean.

    Section 2 of the paper, in its order: time warping, frequency masks, time masks. The widths are drawn uniformly from
    0 to their maximum, both included.

    Args:
        features: (T, F), left as they are.
        config: number and size of the masks.
        generator: the only source of chance.

    Returns:
        (T, F) of the same type.
    """
    frames, bins = features.shape
    masked = _warp_time(features, config.time_warp_frames, generator).clone()
    for _ in range(config.frequency_masks):
        start, end = _draw_mask(bins, min(config.frequency_mask_bins, bins), generator)
        masked[:, start:end] = 0.0
    longest = min(config.time_mask_frames, int(frames * config.time_mask_share))
    for _ in range(config.time_masks):
        start, end = _draw_mask(frames, longest, generator)
        masked[start:end] = 0.0
    return masked


def _draw_mask(size: int, widest: int, generator: np.random.Generator) -> tuple[int, int]:
    """First and last-but-one index of a mask; it lies wholly inside."""
    width = int(generator.integers(widest + 1))
    start = int(generator.integers(size - width + 1))
    return start, start + width


def _warp_time(features: torch.Tensor, farthest: int, generator: np.random.Generator) -> torch.Tensor:
    """Move one frame by up to `farthest` frames and stretch linearly on both sides of it; T stays.

    The paper warps with a thin-plate spline fixed at the borders; in one dimension with one control point the
    piecewise-linear map has the same fixed points and costs a gather.
    """
    frames = len(features)
    if farthest == 0 or frames <= 2 * farthest + 1:
        return features
    centre = int(generator.integers(farthest + 1, frames - farthest))
    moved = centre + int(generator.integers(-farthest, farthest + 1))
    moves = np.interp(np.arange(frames), [0, moved, frames - 1], [0, centre, frames - 1])
    position = torch.from_numpy(moves).to(features.device)
    below = position.long().clamp(max=frames - 2)
    share = (position - below).to(features.dtype).unsqueeze(1)
    return features[below] * (1.0 - share) + features[below + 1] * share
