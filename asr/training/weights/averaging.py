"""Weights of several epochs averaged into one model, and which epochs those are.

Averaging points along the end of a training run finds flatter optima and a lower word error rate than any one of them
(Polyak & Juditsky 1992; Izmailov et al. 2018).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from asr.errors import CheckpointError, ModelError
from asr.files import atomic_write
from asr.model.directory import load_trained, save_model


@dataclass(frozen=True, slots=True)
class EpochResult:
    """How an epoch did on the dev set; epochs count from 0."""

    epoch: int
    wer: float
    loss: float


def choose_epochs(history: Sequence[EpochResult], count: int, by: Literal["last", "best"]) -> list[int]:
    """Epochs to average: the newest `count`, or the `count` with the lowest dev WER (ties: lower loss), ascending."""
    if by == "last":
        return sorted(result.epoch for result in history)[-count:]
    ranked = sorted(history, key=lambda result: (result.wer, result.loss, -result.epoch))
    return sorted(result.epoch for result in ranked[:count])


def epoch_path(folder: str | Path, epoch: int) -> Path:
    """Where the weights of an epoch lie."""
    return Path(folder) / f"epoch-{epoch:04d}.safetensors"


def save_epoch(folder: str | Path, epoch: int, weights: dict[str, Tensor]) -> None:
    """Write the weights of an epoch atomically."""
    payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})
    with atomic_write(epoch_path(folder, epoch), "wb") as stream:
        stream.write(payload)


def prune_epochs(folder: str | Path, wanted: Sequence[int]) -> None:
    """Remove the weights of epochs that can no longer be averaged."""
    names = {epoch_path(folder, epoch).name for epoch in wanted}
    for path in Path(folder).glob("epoch-*.safetensors"):
        if path.name not in names:
            path.unlink(missing_ok=True)


def average_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """Arithmetic mean of the weights in several files, summed in float64 so that the order does not matter.

    Raises:
        CheckpointError: no file, an unreadable one, or files of different models.
    """
    if not paths:
        raise CheckpointError("average", "no epoch weights were given", "train first")
    total: dict[str, Tensor] = {}
    for path in paths:
        try:
            weights = load_file(path)
        except (OSError, SafetensorError) as error:
            raise CheckpointError(path, f"cannot be read ({error})", "average other epochs") from None
        if total and {k: v.shape for k, v in total.items()} != {k: v.shape for k, v in weights.items()}:
            raise CheckpointError(path, "belongs to another model than the others", "average epochs of one experiment")
        for name, tensor in weights.items():
            value = tensor.to(torch.float64)
            total[name] = total[name] + value if name in total else value
    return {name: (tensor / len(paths)).to(torch.float32) for name, tensor in total.items()}


def average_model(paths: Sequence[Path], model: str | Path, out: str | Path) -> None:
    """Write a model folder like `model` with the average of other epochs' weights.

    Raises:
        CheckpointError: the weights cannot be averaged.
        ModelError: they do not fit the model.
    """
    trained = load_trained(model, "cpu")
    weights = average_weights(paths)
    try:
        trained.model.load_state_dict(weights)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(paths[0], f"does not fit the model in {model} ({reason})", "take both from one run") from None
    names = ", ".join(path.name for path in paths)
    card = f"# {trained.config.name}\n\nAverage of {names}; configuration of {model}.\n"
    save_model(out, weights, trained.config, trained.units, trained.normaliser, card)
