"""CTC-CRF: the CTC loss against the weight of everything that could have been said.

Xiang & Ou (2019), "CRF-based single-stage acoustic modeling with CTC topology". With the n-gram of units p_LM and B,
which removes repeats and blanks, a path pi of T frames has the weight
    exp phi(pi, x) = p_LM(B(pi)) * prod_t p(pi_t | x)
and a target l of an utterance x the loss
    CRF(x, l) = -[log p_LM(l) + log sum over pi in B^-1(l) of prod_t p(pi_t | x)] + log Z(x)
    Z(x) = sum over all pi of exp phi(pi, x)
which is never negative: Z has the paths of l among its own. log Z is CTC's forward-backward algorithm over a larger
graph (`asr.model.denominator`); its gradient with respect to log p(v | x) at a frame is the share of the paths that
have v there. As in CAT (github.com/thu-spmi/CAT), a little of the CTC loss is kept for stability.

Shapes: B utterances, T output frames, V units (blank = 0).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from asr.model.crf_torch import log_partitions_by_torch
from asr.model.ctc import ctc_loss
from asr.model.denominator import Denominator
from asr.model.training_kernels import compiled_kernels


def ctc_crf_loss(
    log_probs: Tensor,
    lengths: Tensor,
    targets: Sequence[Sequence[int]],
    denominator: Denominator,
    ctc_weight: float = 0.0,
) -> Tensor:
    """CRF(x, l) + ctc_weight * CTC(x, l).

    Args:
        log_probs: (B, T, V) normalised log-probabilities; what lies beyond a length does not matter.
        lengths: (B,) int64 output frames.
        targets: B label sequences without blanks.
        denominator: of the model's units.
        ctc_weight: of the CTC loss beside the criterion.

    Returns:
        (B,) losses in nats, not negative but for rounding; infinite where a target cannot be reached.

    Raises:
        ValueError: a length beyond T or a label beyond V.
    """
    numerators = ctc_loss(log_probs, lengths, targets)
    priors = torch.from_numpy(denominator.log_prior(targets)).to(numerators.device, numerators.dtype)
    return (1 + ctc_weight) * numerators - priors + log_partition(log_probs, lengths, denominator)


def log_partition(log_probs: Tensor, lengths: Tensor, denominator: Denominator) -> Tensor:
    """log Z of each utterance, (B,) float32: compiled on the CPU, by PyTorch elsewhere; both add in float64."""
    result: Tensor = _LogPartition.apply(log_probs.float(), lengths, denominator)
    return result


class _LogPartition(torch.autograd.Function):
    """The gradient is made with the value, since both need the same beginnings."""

    @staticmethod
    def forward(ctx: Any, log_probs: Tensor, lengths: Tensor, denominator: Denominator) -> Tensor:
        wanted = ctx.needs_input_grad[0]
        on_cpu = log_probs.device.type == "cpu"
        if on_cpu and (lengths > log_probs.shape[1]).any():
            raise ValueError(f"a length lies outside log_probs of shape {tuple(log_probs.shape)}")
        kernels = compiled_kernels() if on_cpu else None
        if kernels is not None:
            values, slopes = kernels.log_partitions(log_probs.detach(), lengths, denominator.graph, wanted)
        else:
            graph = denominator.tensors(log_probs.device)
            values, slopes = log_partitions_by_torch(log_probs.detach(), lengths, graph, wanted)
        ctx.save_for_backward(slopes)
        return values.float()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, above: Tensor) -> tuple[Tensor, None, None]:
        (slopes,) = ctx.saved_tensors
        return slopes * above[:, None, None], None, None
