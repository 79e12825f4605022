"""The systems that `train.py` measures: the same acoustic model, weights and batch, trained the way each one does.

Shapes: B utterances, T feature frames, F mel bins, T' output frames, V units.
"""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from asr.batches.examples import Batch
from asr.config.sections import ModelConfig, TrainingConfig
from asr.model.acoustic import AcousticModel
from asr.model.lstm import LstmLayer, reverse_within_lengths
from asr.training.processes.share import Share
from asr.training.step.update import Updater

BINS, UNITS, LEARNING_RATE = 80, 30, 1e-3


@dataclass(frozen=True)
class System:
    """One way to train.

    Attributes:
        model: its weights.
        forward: log-probabilities of the batch without gradient, as in validation.
        step: one whole update.
    """

    model: nn.Module
    forward: Callable[[], Any]
    step: Callable[[], Any]


class BothAtOnce(nn.Module):
    """A layer's directions in one bidirectional `nn.LSTM`, over packed sequences or over the padded batch.

    The padded form lets the backward direction read the padding: its results depend on the batch.
    """

    def __init__(self, layer: LstmLayer, *, packed: bool) -> None:
        super().__init__()
        assert layer.backward_lstm is not None
        first = layer.forward_lstm
        self.lstm = nn.LSTM(first.input_size, first.hidden_size, batch_first=True, bidirectional=True)
        with torch.no_grad():
            for suffix, lstm in (("", first), ("_reverse", layer.backward_lstm)):
                for name, value in lstm.named_parameters():
                    self.lstm.get_parameter(name + suffix).copy_(value)
        self.after = nn.Sequential(
            *(part for part in (layer.projection, layer.norm, layer.dropout) if part is not None)
        )
        self.packed = packed

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T', F), (B,) -> (B, T', D)."""
        if not self.packed:
            return self.after(self.lstm(x)[0])
        sequence = nn.utils.rnn.pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        y, _ = nn.utils.rnn.pad_packed_sequence(self.lstm(sequence)[0], batch_first=True, total_length=x.shape[1])
        return self.after(y)


class SeparateDirections(nn.Module):
    """A layer as two `nn.LSTM`, the second over reversed copies; on a GPU optionally in a stream of its own."""

    def __init__(self, layer: LstmLayer, *, streams: bool) -> None:
        super().__init__()
        assert layer.backward_lstm is not None
        self.first, self.second = layer.forward_lstm, layer.backward_lstm
        self.after = nn.Sequential(
            *(part for part in (layer.projection, layer.norm, layer.dropout) if part is not None)
        )
        self.streams = streams

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        """(B, T', F), (B,) -> (B, T', D)."""
        if not self.streams:
            y = self.first(x)[0]
            return self.after(torch.cat([y, self._from_the_end(x, lengths)], dim=-1))
        here, beside = torch.cuda.current_stream(), torch.cuda.Stream()
        beside.wait_stream(here)
        with torch.cuda.stream(beside):
            backward = self._from_the_end(x, lengths)
        y = self.first(x)[0]
        here.wait_stream(beside)
        return self.after(torch.cat([y, backward], dim=-1))

    def _from_the_end(self, x: Tensor, lengths: Tensor) -> Tensor:
        return reverse_within_lengths(self.second(reverse_within_lengths(x, lengths))[0], lengths)


def build(layers: int, hidden: int, device: torch.device) -> AcousticModel:
    """The model that every system begins from."""
    torch.manual_seed(0)
    return AcousticModel(ModelConfig(layers=layers, hidden=hidden), BINS, UNITS).to(device)


def systems(
    model: AcousticModel, batch: Batch, device: torch.device, precision: str, only: Collection[str] = ()
) -> dict[str, System]:
    """Every system (or those in `only`) that is installed and makes sense here; each trains a copy of the model."""
    found = {"ours": _ours(copy.deepcopy(model), batch, device, precision)}
    variants: dict[str, Callable[[LstmLayer], nn.Module]] = {
        "packed": lambda layer: BothAtOnce(layer, packed=True),
        "torch": lambda layer: BothAtOnce(layer, packed=False),
        "torch, separate directions": lambda layer: SeparateDirections(layer, streams=False),
    }
    if device.type == "cuda":
        variants["torch, directions in two streams"] = lambda layer: SeparateDirections(layer, streams=True)
    for name, change in variants.items():
        if only and name not in only:
            continue
        other = copy.deepcopy(model)
        for number, layer in enumerate(other.stack.layers):
            other.stack.layers[number] = change(layer)
        found[name] = _plain(other.to(device), batch, device, precision)
    if only and "speechbrain" not in only:
        return found
    try:
        import train_speechbrain
    except ImportError as error:
        logging.getLogger("asr").warning("speechbrain is left out: %s", error)
    else:
        found["speechbrain"] = train_speechbrain.system(model, batch, device, precision, lengths=False)
        found["speechbrain, lengths given"] = train_speechbrain.system(model, batch, device, precision, lengths=True)
    return found


def _ours(model: AcousticModel, batch: Batch, device: torch.device, precision: str) -> System:
    """This project's own update, with everything that training does around it."""
    settings = TrainingConfig.model_validate({"precision": precision})
    updater = Updater(model, settings, device)
    share = Share([batch], [1], len(batch.ids), 1)
    return System(model, _forward(model, batch, device), lambda: updater.update(share, LEARNING_RATE))


def _forward(model: nn.Module, batch: Batch, device: torch.device) -> Callable[[], Any]:
    features, lengths = batch.features.to(device), batch.lengths.to(device)

    def forward() -> Any:
        model.eval()
        with torch.no_grad():
            return model(features, lengths)[0]

    return forward


def _plain(model: nn.Module, batch: Batch, device: torch.device, precision: str) -> System:
    """The loop of PyTorch's and torchaudio's tutorials: forward, `nn.CTCLoss`, backward, clip, AdamW."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=(0.9, 0.98), weight_decay=1e-2)
    objective = nn.CTCLoss(blank=0)
    labels, label_lengths = padded_labels(batch)
    lowered = {"float32": None, "bfloat16": torch.bfloat16, "float16": torch.float16}[precision]
    scaler = torch.amp.GradScaler(device.type, enabled=precision == "float16")

    def step() -> float:
        model.train()
        optimizer.zero_grad()
        with torch.autocast(device.type, dtype=lowered, enabled=lowered is not None):
            log_probs, lengths = model(batch.features.to(device), batch.lengths.to(device))
        loss = objective(log_probs.transpose(0, 1), labels.to(device), lengths, label_lengths.to(device))
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        scaler.step(optimizer)
        scaler.update()
        return float(loss.detach())

    return System(model, _forward(model, batch, device), step)


def padded_labels(batch: Batch) -> tuple[Tensor, Tensor]:
    """Targets (B, longest), filled up with zeros, and how many labels each has."""
    labels = [torch.tensor(target, dtype=torch.long) for target in batch.targets]
    return nn.utils.rnn.pad_sequence(labels, batch_first=True), torch.tensor([len(target) for target in batch.targets])
