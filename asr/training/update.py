"""One optimiser update: the mean loss of a group of batches, its gradient, the clip, the step - or none of it.

Shapes: B utterances, T frames, T' output frames, V units.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from asr.config import TrainingConfig
from asr.model.acoustic import AcousticModel
from asr.model.ctc import ctc_loss, per_label
from asr.training.examples import Batch
from asr.units import BLANK


@dataclass(frozen=True)
class UpdateResult:
    """What an update saw.

    Attributes:
        loss: mean over the utterances of the group, per label.
        gradient_norm: before clipping.
        blank_rate: share of output frames whose best unit is the blank.
        taken: False where loss or gradient was not finite and the weights were left alone.
    """

    loss: float
    gradient_norm: float
    blank_rate: float
    taken: bool


class Updater:
    """The model's optimiser and how a group of batches becomes one step of it.

    Args:
        model: already on `device`.
        settings: optimiser settings and precision.
        device: where the model is.
    """

    def __init__(self, model: AcousticModel, settings: TrainingConfig, device: torch.device) -> None:
        self.model, self.settings, self.device = model, settings, device
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=(0.9, settings.beta2), weight_decay=settings.weight_decay
        )

    @property
    def learning_rate(self) -> float:
        """Of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, group: Sequence[Batch], learning_rate: float, seed: int) -> UpdateResult:
        """One step on the mean loss of a group's utterances; the weights stay where it is not finite.

        Args:
            group: batches whose gradients are added before the step.
            learning_rate: of this step.
            seed: for dropout; taken from the position alone, so that a resume needs no random state.
        """
        self.model.train()
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        torch.manual_seed(seed)
        self.optimizer.zero_grad(set_to_none=True)
        count = sum(len(batch.ids) for batch in group)
        losses, blank_rates = zip(*(self._forward_backward(batch, count) for batch in group), strict=True)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        loss = sum(losses)
        taken = math.isfinite(loss) and math.isfinite(norm)
        if taken:
            self.optimizer.step()
        return UpdateResult(loss, norm, sum(blank_rates) / len(blank_rates), taken)

    def _forward_backward(self, batch: Batch, count: int) -> tuple[float, float]:
        """Add a batch's share of the gradient; returns its share of the loss and its rate of blank frames."""
        lowered = self.settings.precision == "bfloat16"
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=lowered):
            log_probs, lengths = self.model(batch.features.to(self.device), batch.lengths.to(self.device))
        losses = per_label(ctc_loss(log_probs, lengths, batch.targets), batch.targets)
        loss = losses.sum() / count
        loss.backward()
        return loss.item(), _blank_rate(log_probs.detach(), lengths)


def _blank_rate(log_probs: Tensor, lengths: Tensor) -> float:
    """Share of real frames whose best unit is the blank; (B, T', V), (B,)."""
    inside = torch.arange(log_probs.shape[1], device=lengths.device)[None, :] < lengths[:, None]
    blank = (log_probs.argmax(dim=-1) == BLANK) & inside
    return float(blank.sum() / inside.sum().clamp(min=1))
