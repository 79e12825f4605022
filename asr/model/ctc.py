"""Connectionist temporal classification: the loss and the rule of which targets can be reached at all.

Graves et al. (2006), "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks". Shapes: B utterances, T output frames, V units (blank = 0), L labels of a target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asr.units import BLANK


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Negative natural-log probability of each target, summed over all paths.

    In float64 on the CPU, in float32 elsewhere.

    Args:
        log_probs: (B, T, V) normalised log-probabilities.
        lengths: (B,) int64 output frames.
        targets: B label sequences without blanks; an empty one asks for blanks throughout.

    Returns:
        (B,) losses in nats, float32; infinite where a target cannot be reached.

    Raises:
        ValueError: a length beyond T or a label beyond V.
    """
    device = log_probs.device
    log_probs = log_probs.double() if device.type == "cpu" else log_probs.float()
    label_lengths = torch.tensor([len(target) for target in targets], dtype=torch.long)
    labels = torch.tensor([label for target in targets for label in target], dtype=torch.long)
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < log_probs.shape[2]:
        raise ValueError(f"a label lies outside log_probs of shape {tuple(log_probs.shape)}")
    losses = torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1), labels.to(device), lengths, label_lengths.to(device), blank=BLANK, reduction="none"
    )
    return losses.float()


def per_label(losses: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Divide each loss by the number of its labels (at least one), so that long utterances do not rule a batch."""
    counts = torch.tensor([max(1, len(target)) for target in targets], dtype=losses.dtype, device=losses.device)
    return losses / counts
