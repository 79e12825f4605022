"""One optimiser update: the mean loss of some batches, its gradient, the clip, the step - or none of it.

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
from asr.training.distributed import World
from asr.training.examples import Batch
from asr.units import BLANK


@dataclass(frozen=True)
class UpdateResult:
    """What an update saw, in all processes together.

    Attributes:
        loss: mean over the utterances of the update, per label.
        gradient_norm: before clipping.
        blank_rate: share of output frames whose best unit is the blank, mean over batches.
        seconds: of audio.
        taken: False where loss or gradient was not finite and the weights were left alone.
    """

    loss: float
    gradient_norm: float
    blank_rate: float
    seconds: float
    taken: bool


@dataclass(frozen=True)
class Share:
    """What one process computes of an update.

    Attributes:
        batches: maybe none.
        seeds: for the dropout of each batch; taken from the position alone, so that a resume needs no random state
            and the number of processes changes nothing.
        utterances: ids of the whole update, in all processes.
        batches_in_all: of the whole update.
    """

    batches: Sequence[Batch]
    seeds: Sequence[int]
    utterances: Sequence[str]
    batches_in_all: int


class Updater:
    """The model's optimiser and how a group of batches becomes one step of it.

    Args:
        model: already on `device`.
        settings: optimiser settings and precision.
        device: where the model is.
        world: the processes whose shares make up an update.
    """

    def __init__(
        self, model: AcousticModel, settings: TrainingConfig, device: torch.device, world: World | None = None
    ) -> None:
        self.model, self.settings, self.device = model, settings, device
        self.world = world or World()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=(0.9, settings.beta2), weight_decay=settings.weight_decay
        )

    @property
    def learning_rate(self) -> float:
        """Of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, share: Share, learning_rate: float) -> UpdateResult:
        """One step on the mean loss of an update's utterances; the weights stay where it is not finite."""
        self.model.train()
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        self.optimizer.zero_grad(set_to_none=True)
        loss = blank_rate = 0.0
        for batch, seed in zip(share.batches, share.seeds, strict=True):
            torch.manual_seed(seed)
            batch_loss, batch_blank_rate = self._forward_backward(batch, len(share.utterances))
            loss, blank_rate = loss + batch_loss, blank_rate + batch_blank_rate
        seconds = sum(batch.seconds for batch in share.batches)
        loss, blank_rate, seconds = self._add_over_processes(loss, blank_rate, seconds)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        taken = math.isfinite(loss) and math.isfinite(norm)
        if taken:
            self.optimizer.step()
        return UpdateResult(loss, norm, blank_rate / share.batches_in_all, seconds, taken)

    def _add_over_processes(self, *figures: float) -> list[float]:
        """Sum the gradients and some figures over all processes; one that had no batch adds zeros."""
        if self.world.size == 1:
            return list(figures)
        weights = [parameter for parameter in self.model.parameters() if parameter.requires_grad]
        for parameter in weights:
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        total = torch.tensor(figures, device=self.device)
        self.world.add([total, *(parameter.grad for parameter in weights if parameter.grad is not None)])
        return total.tolist()

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
