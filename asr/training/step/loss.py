"""What training minimises for one utterance: CTC or CTC-CRF, optionally smoothed, CTC also asked of lower layers.

Shapes: B utterances, T' output frames, V units, L labels of a target.

With smoothing e (`training.label_smoothing`), intermediate weight w (`training.intermediate_weight`) and K intermediate
layers (`model.intermediate_layers`), the loss of an utterance is
    loss = (1 - w) D(p_last) + w / K * (D(p_1) + ... + D(p_K))        without intermediate layers w is 0
    D(p) = (1 - e) C(p, target) / max(1, L) + e / T' * sum over its frames t of KL(uniform || p_t)
    C = CTC, and of the last layer, where `training.criterion` is "ctc-crf", CRF + ctc_weight * CTC (`asr.model.crf`)
    KL(uniform || p_t) = -ln V - 1/V * sum over units v of ln p_tv
The intermediate term is that of Lee & Watanabe (2021), "Intermediate loss regularization for CTC-based speech
recognition": the layers are read by the one output layer, so that a trained model has no weight more. The smoothing is
label smoothing (Szegedy et al. 2016) as Kim et al. (2018), "Improved training for online end-to-end speech recognition
systems", bring it to CTC, where no frame has a label to be smoothed: each frame is drawn to the uniform distribution.
Both terms are nats, one a label and one a frame, so that neither the length nor the frame rate changes their balance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from asr.batches.examples import Batch
from asr.config.sections import TrainingConfig
from asr.model.acoustic import AcousticModel
from asr.model.crf import ctc_crf_loss
from asr.model.ctc import ctc_loss, per_label
from asr.model.denominator import Denominator


def batch_losses(
    model: AcousticModel,
    batch: Batch,
    settings: TrainingConfig,
    device: torch.device,
    denominator: Denominator | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """The losses (B,) of a batch, and the last layer's log_probs (B, T', V) and lengths (B,) they were made of.

    With a denominator the last layer's criterion is CTC-CRF.
    """
    features = batch.features.to(device, non_blocking=True)
    layers = model.config.intermediate_layers if settings.intermediate_weight > 0 else []
    log_probs, lengths = model.at_layers(
        features, batch.lengths.to(device, non_blocking=True), [*layers, model.config.layers]
    )
    lower = [_smoothed(each, lengths, batch.targets, settings, None) for each in log_probs[:-1]]
    total = _smoothed(log_probs[-1], lengths, batch.targets, settings, denominator)
    if lower:
        share = settings.intermediate_weight
        total = (1 - share) * total + share * torch.stack(lower).mean(dim=0)
    return total, log_probs[-1], lengths


def divergence_from_uniform(log_probs: Tensor, lengths: Tensor) -> Tensor:
    """Mean over an utterance's own frames of KL(uniform || p_t), in nats.

    Args:
        log_probs: (B, T', V), normalised; what lies beyond a length is ignored, even where it is not finite.
        lengths: (B,) int64; an utterance without frames diverges by 0.

    Returns:
        (B,), 0 where every frame is uniform.
    """
    units = log_probs.shape[-1]
    inside = torch.arange(log_probs.shape[1], device=lengths.device)[None, :] < lengths[:, None]
    frames = (-log_probs.mean(dim=-1) - math.log(units)).where(inside, 0.0)
    return frames.sum(dim=1) / lengths.clamp(min=1)


def _smoothed(
    log_probs: Tensor,
    lengths: Tensor,
    targets: Sequence[Sequence[int]],
    settings: TrainingConfig,
    denominator: Denominator | None,
) -> Tensor:
    """D of the module's formula, (B,)."""
    losses = per_label(_criterion(log_probs, lengths, targets, settings, denominator), targets)
    smoothing = settings.label_smoothing
    if smoothing == 0:
        return losses
    return (1 - smoothing) * losses + smoothing * divergence_from_uniform(log_probs, lengths)


def _criterion(
    log_probs: Tensor,
    lengths: Tensor,
    targets: Sequence[Sequence[int]],
    settings: TrainingConfig,
    denominator: Denominator | None,
) -> Tensor:
    """C where it may be summed: on the CPU in deterministic mode, because the CUDA kernels add in any order."""
    place = summing_device(log_probs.device, deterministic=torch.are_deterministic_algorithms_enabled())
    there, frames = log_probs.to(place), lengths.to(place)
    if denominator is None:
        losses = ctc_loss(there, frames, targets)
    else:
        losses = ctc_crf_loss(there, frames, targets, denominator, settings.ctc_weight)
    return losses.to(log_probs.device)


def summing_device(device: torch.device, *, deterministic: bool) -> torch.device:
    """Where to compute the criterion of log-probabilities that lie on `device`.

    PyTorch's CUDA kernel of CTC accumulates its gradient with atomic additions and refuses deterministic mode; cuDNN's
    deterministic kernel is taken only for some shapes of a batch. The CPU kernel is deterministic for every batch.
    """
    return torch.device("cpu") if deterministic and device.type != "cpu" else device
