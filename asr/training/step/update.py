"""One optimiser update: the mean loss of some batches, its gradient, the clip, the step - or none of it.

Shapes: B utterances, T frames, T' output frames, V units.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from asr.batches.examples import Batch
from asr.config.sections import TrainingConfig
from asr.errors import CheckpointError
from asr.kernels.threads import threads_for_kernels
from asr.model.acoustic import AcousticModel
from asr.model.denominator import Denominator
from asr.model.training_kernels import takes_the_threads
from asr.training.processes.share import Share
from asr.training.processes.world import World
from asr.training.step.loss import batch_losses
from asr.training.step.precision import LOWEST_SCALE, autocast, gradient_scaler
from asr.training.step.splitting import BatchSplitter
from asr.training.weights.moving_average import MovingAverage
from asr.units import BLANK

LOGGER = logging.getLogger("asr")
BETAS = (0.9, 0.98)  # of AdamW: a second moment that follows faster than its default of 0.999


@dataclass(frozen=True)
class UpdateResult:
    """What an update saw, in all processes together.

    Attributes:
        loss: mean over the utterances of the update, per label.
        gradient_norm: before clipping.
        blank_rate: share of output frames whose best unit is the blank, mean over batches.
        seconds: of audio.
        taken: False where loss or gradient was not finite and the weights were left alone.
        overflow: not taken only because float16 could not hold the scaled gradient; the scale is lower now. It
            happens whenever the scale was raised too far and says nothing against the utterances.
    """

    loss: float
    gradient_norm: float
    blank_rate: float
    seconds: float
    taken: bool
    overflow: bool = False


class Updater:
    """The model's optimiser and how a group of batches becomes one step of it.

    Args:
        model: already on `device`.
        settings: optimiser settings and precision.
        device: where the model is.
        world: the processes whose shares make up an update.
        denominator: of CTC-CRF; None where the criterion is CTC.

    Raises:
        TrainingError: the device cannot compute in the precision.
    """

    def __init__(
        self,
        model: AcousticModel,
        settings: TrainingConfig,
        device: torch.device,
        world: World | None = None,
        denominator: Denominator | None = None,
    ) -> None:
        self.model, self.settings, self.device, self.denominator = model, settings, device, denominator
        cells = next((part.hidden_size for part in model.modules() if isinstance(part, torch.nn.LSTM)), 0)
        self.by_kernels = takes_the_threads(cells, device, settings.precision)
        self.world = world or World()
        self.optimizer = torch.optim.AdamW(
            model.parameters(), lr=0.0, betas=BETAS, weight_decay=settings.weight_decay,
            fused=device.type == "cpu",
        )  # fmt: skip
        self.scaler = gradient_scaler(settings.precision, device)
        self.average = MovingAverage(model, settings.ema) if settings.ema else None
        self.splitter = BatchSplitter()

    @property
    def learning_rate(self) -> float:
        """Of the last update."""
        return float(self.optimizer.param_groups[0]["lr"])

    def update(self, share: Share, learning_rate: float) -> UpdateResult:
        """One step on the mean loss of an update's utterances; the weights stay where it is not finite.

        Raises:
            TrainingError: an utterance does not fit the memory even alone.
        """
        for parameters in self.optimizer.param_groups:
            parameters["lr"] = learning_rate
        loss, blank_rate = self._gradient(share)
        seconds = sum(batch.seconds for batch in share.batches)
        loss, blank_rate, seconds = self._add_over_processes(loss, blank_rate, seconds)
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        norm = float(torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip_norm))
        taken = math.isfinite(loss) and math.isfinite(norm)
        if taken:
            self._step()
        overflow = self._adapt_scale(loss, norm)
        return UpdateResult(loss, norm, blank_rate / share.batches_in_all, seconds, taken, overflow)

    def rehearse(self, batch: Batch) -> None:
        """Run a batch forward and backward and forget it: what cannot fit the memory is found now, not in hours.

        Nothing that training depends on is changed: no step, no gradient left, random state restored.

        Raises:
            TrainingError: an utterance does not fit the memory even alone.
        """
        started = time.monotonic()
        on_gpu = self.device.type == "cuda"
        with torch.random.fork_rng(devices=[self.device] if on_gpu else []):
            # The optimiser's two moments come with the first step; they must fit beside the batch.
            moments = [torch.empty_like(p) for p in 2 * list(self.model.parameters()) if not self.optimizer.state]
            self._gradient(Share([batch], [0], len(batch.ids), 1))
            del moments
        self.optimizer.zero_grad(set_to_none=True)
        peak = f", {torch.cuda.max_memory_allocated(self.device) / 2**30:.2f} GiB" if on_gpu else ""
        LOGGER.info(
            "rehearsed the longest batch: %d utterances, %.1f s of audio, in %.1f s%s",
            len(batch.ids), batch.seconds, time.monotonic() - started, peak,
        )  # fmt: skip

    @contextmanager
    def judged_weights(self) -> Iterator[None]:
        """Within it the model has the weights to validate and to keep: their moving average where there is one."""
        if self.average is None:
            yield
            return
        with self.average.applied():
            yield

    def state_dict(self) -> dict[str, Any]:
        """Everything besides the weights that a later update depends on."""
        state = {"optimizer": self.optimizer.state_dict()}
        if self.scaler is not None:
            state["scaler"] = self.scaler.state_dict()
        if self.average is not None:
            state["ema"] = self.average.state_dict()
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go back to a saved state.

        Raises:
            CheckpointError: it lacks what this configuration needs.
        """
        self.optimizer.load_state_dict(state["optimizer"])
        for name, part in (("scaler", self.scaler), ("ema", self.average)):
            if part is None:
                continue
            if name not in state:
                raise CheckpointError("checkpoint", f"holds no {name}", "resume with the settings it was made with")
            part.load_state_dict(state[name])

    def _gradient(self, share: Share) -> tuple[float, float]:
        """Leave this process's part of the gradient of the mean loss (times the scale) in the parameters.

        A batch that runs out of memory may have left half a gradient, so the share begins again with it split.

        Returns:
            The share's part of the mean loss, and the sum over its batches of their shares of blank frames.
        """
        self.model.train()
        while True:
            self.optimizer.zero_grad(set_to_none=True)
            result = self._attempt(share)
            if not isinstance(result, Batch):
                return result
            self.optimizer.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.empty_cache()
            self.splitter.learn(result)

    def _attempt(self, share: Share) -> tuple[float, float] | Batch:
        """The figures of `_gradient`, or the batch that ran out of memory."""
        loss = blank_rate = 0.0
        for batch, seed in zip(share.batches, share.seeds, strict=True):
            pieces = self.splitter.fitting(batch)
            for number, piece in enumerate(pieces):
                torch.manual_seed(seed + number)
                figures = self._forward_backward(piece, share.utterances)
                if figures is None:
                    return piece
                loss, blank_rate = loss + figures[0], blank_rate + figures[1] / len(pieces)
        return loss, blank_rate

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

    def _forward_backward(self, batch: Batch, count: int) -> tuple[float, float] | None:
        """Add a batch's share of the gradient; returns its share of the loss and its rate of blank frames.

        None where the memory did not suffice; by then nothing holds on to the memory of the attempt.
        """
        try:
            with threads_for_kernels(self.by_kernels):
                with autocast(self.settings.precision, self.device):
                    losses, log_probs, lengths = batch_losses(
                        self.model, batch, self.settings, self.device, self.denominator
                    )
                loss = losses.sum() / count
                (self.scaler.scale(loss) if self.scaler is not None else loss).backward()
        except torch.OutOfMemoryError:
            return None
        return loss.item(), _blank_rate(log_probs.detach(), lengths)

    def _step(self) -> None:
        if self.scaler is not None:
            self.scaler.step(self.optimizer)
        else:
            self.optimizer.step()
        if self.average is not None:
            self.average.observe()

    def _adapt_scale(self, loss: float, norm: float) -> bool:
        """Lower the scale after an overflow, raise it now and then otherwise; True where there was an overflow."""
        if self.scaler is None:
            return False
        scale = self.scaler.get_scale()
        if not math.isfinite(loss):
            self.scaler.update(scale)  # the batch's fault, not the scale's
            return False
        self.scaler.update()
        return not math.isfinite(norm) and scale > LOWEST_SCALE


def _blank_rate(log_probs: Tensor, lengths: Tensor) -> float:
    """Share of real frames whose best unit is the blank; (B, T', V), (B,)."""
    inside = torch.arange(log_probs.shape[1], device=lengths.device)[None, :] < lengths[:, None]
    blank = (log_probs.argmax(dim=-1) == BLANK) & inside
    return float(blank.sum() / inside.sum().clamp(min=1))
