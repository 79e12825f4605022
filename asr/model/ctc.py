"""Connectionist temporal classification: the loss and the rule of which targets can be reached at all.

Graves et al. (2006), "Connectionist temporal classification: labelling unsegmented sequence data with recurrent neural
networks". Shapes: B utterances, T output frames, V units (blank = 0), L labels of a target.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.kernels.compile import COMPILES
from asr.model.cpu.ctc_kernel import forward_backward
from asr.model.cpu.products import in_parallel
from asr.units import BLANK


def ctc_loss(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Negative natural-log probability of each target, summed over all paths.

    In float64 on the CPU, in float32 elsewhere.

    Args:
        log_probs: (B, T, V) normalised log-probabilities.
        lengths: (B,) int64 output frames.
        targets: B label sequences without blanks; an empty one asks for blanks throughout.

    Returns:
        (B,) losses in nats; infinite where a target cannot be reached.

    Raises:
        ValueError: a length beyond T or a label beyond V.
    """
    log_probs = log_probs.float()
    if log_probs.device.type == "cpu" and COMPILES:
        return _Compiled.apply(log_probs, lengths, targets)
    return _by_torch(log_probs, lengths, targets)


def _by_torch(log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    label_lengths = torch.tensor([len(target) for target in targets], dtype=torch.long)
    labels = torch.tensor([label for target in targets for label in target], dtype=torch.long)
    device = log_probs.device
    return torch.nn.functional.ctc_loss(
        log_probs.transpose(0, 1),
        labels.to(device),
        lengths,
        label_lengths.to(device),
        blank=BLANK,
        reduction="none",
    )


class _Compiled(torch.autograd.Function):
    """The compiled algorithm; PyTorch's in float64 for utterances that it declines, those without a path among them.

    Both give the gradient for log-probabilities that stay normalised; PyTorch's has the probabilities added to ours,
    which such log-probabilities cannot tell.
    """

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
        count = len(targets)
        wanted = ctx.needs_input_grad[0]
        losses, good = np.zeros(count, np.float32), np.zeros(count, np.bool_)
        gradient = np.zeros(log_probs.shape if wanted else (0, 0, 0), np.float32)
        labels = np.array([label for target in targets for label in target], np.int64)
        offsets = np.cumsum([0, *map(len, targets)])
        source, frames = log_probs.detach().contiguous().numpy(), lengths.numpy()
        if (frames > source.shape[1]).any() or (labels >= source.shape[2]).any() or (labels < 0).any():
            raise ValueError(f"a length or a label lies outside log_probs of shape {source.shape}")
        in_parallel(
            lambda first, last: forward_backward(
                source, first, last, frames, labels, offsets, losses, gradient, good
            ),
            count, 1,
        )  # fmt: skip
        result, slopes = torch.from_numpy(losses), torch.from_numpy(gradient)
        if not good.all():
            rows = torch.from_numpy(np.flatnonzero(~good))
            own = log_probs.detach()[rows].double().requires_grad_(wanted)
            with torch.enable_grad():
                others = _by_torch(own, lengths[rows], [targets[row] for row in rows.tolist()])
            result[rows] = others.detach().float()
            if wanted:
                slopes[rows] = torch.autograd.grad(others, own, torch.ones_like(others))[0].float()
        ctx.save_for_backward(slopes)
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * above[:, None, None], None, None


def per_label(losses: Tensor, targets: Sequence[Sequence[int]]) -> Tensor:
    """Divide each loss by the number of its labels (at least one), so that long utterances do not rule a batch."""
    counts = torch.tensor([max(1, len(target)) for target in targets], dtype=losses.dtype, device=losses.device)
    return losses / counts
