"""Connectionist temporal classification: the loss and the rule of which targets can be reached at all.

Graves et al. (2006), "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks". Shapes: B utterances, T output frames, V units (blank = 0), L labels of a target.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from asr.errors import TrainingError
from asr.units import BLANK, required_frames


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Negative natural-log probability of each target, summed over all paths, in float32.

    Args:
        log_probs: (B, T, V) normalised log-probabilities.
        lengths: (B,) int64 output frames.
        targets: B label sequences without blanks; an empty one asks for blanks throughout.

    Returns:
        (B,) losses in nats; infinite where a target cannot be reached.
    """
    label_lengths = torch.tensor([len(target) for target in targets], dtype=torch.long)
    labels = torch.tensor([label for target in targets for label in target], dtype=torch.long)
    device = log_probs.device
    return torch.nn.functional.ctc_loss(
        log_probs.float().transpose(0, 1),
        labels.to(device),
        lengths,
        label_lengths.to(device),
        blank=BLANK,
        reduction="none",
    )


def per_label(losses: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Divide each loss by the number of its labels (at least one), so that long utterances do not rule a batch."""
    counts = torch.tensor([max(1, len(target)) for target in targets], dtype=losses.dtype, device=losses.device)
    return losses / counts


def check_feasible(identifiers: Sequence[str], frames: Sequence[int], targets: Sequence[Sequence[int]]) -> None:
    """Refuse targets that cannot fit their output frames; their loss would be infinite.

    Raises:
        TrainingError: lists the offending utterances.
    """
    offenders = [
        f"{identifier} ({have} frames, needs {need})"
        for identifier, have, target in zip(identifiers, frames, targets, strict=True)
        if have < (need := required_frames(target))
    ]
    if offenders:
        shown = ", ".join(offenders[:10]) + (f" and {len(offenders) - 10} more" if len(offenders) > 10 else "")
        raise TrainingError(
            f"{len(offenders)} utterance(s)",
            f"cannot emit their text in their output frames: {shown}",
            "drop them with 'asr validate --fix' or lower model.time_reduction",
        )
