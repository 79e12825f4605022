"""The sum over all paths of CTC-CRF's denominator and its gradient, groups of utterances side by side.

Shapes: B utterances, T output frames, V units.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from asr.model.cpu import crf_kernel
from asr.model.cpu.products import in_parallel


def log_partitions(log_probs: Tensor, lengths: Tensor, graph: Any, wanted: bool) -> tuple[Tensor, Tensor]:
    """log Z of each utterance and, if `wanted`, its gradient.

    Args:
        log_probs: (B, T, V) float32; rows beyond a length are not looked at.
        lengths: (B,) int64, none beyond T.
        graph: the automaton, a `DenominatorGraph`.
        wanted: whether to compute the gradient.

    Returns:
        (B,) float64, and (B, T, V) float32, or (0, 0, 0).
    """
    source, frames = log_probs.contiguous().numpy(), lengths.numpy()
    log_z = np.zeros(len(frames))
    gradient = np.zeros(source.shape if wanted else (0, 0, 0), np.float32)
    in_parallel(
        lambda first, last: crf_kernel.log_partitions(source, frames, first, last, graph, log_z, gradient),
        -(-len(frames) // crf_kernel.LANES), 1,
    )  # fmt: skip
    return torch.from_numpy(log_z), torch.from_numpy(gradient)
