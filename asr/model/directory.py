"""A trained model as a folder, the side that needs torch: building, saving and loading the network itself.

What the folder holds, and what can be read of it without torch, is in `files`.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from asr.config.experiment import ExperimentConfig, save_config
from asr.errors import ModelError, UsageError
from asr.features.normalisation import GLOBAL, Normaliser
from asr.files import atomic_write
from asr.model.acoustic import AcousticModel
from asr.model.files import CARD, CONFIG, ONNX, UNITS, WEIGHTS, ModelFiles, read_model_files, seconds_per_frame
from asr.model.onnx_graph import onnx_bytes
from asr.units import Units

__all__ = [
    "CARD", "CONFIG", "UNITS", "WEIGHTS", "TrainedModel", "build_model", "choose_device", "load_trained", "save_model",
    "seconds_per_frame",
]  # fmt: skip


@dataclass(frozen=True)
class TrainedModel(ModelFiles):
    """What a model directory holds, with the network in torch."""

    model: AcousticModel


def build_model(config: ExperimentConfig, units: Units) -> AcousticModel:
    """A freshly initialised model; the caller seeds torch."""
    return AcousticModel(config.model, config.features.dimension, len(units))


def save_model(
    directory: str | Path,
    weights: dict[str, torch.Tensor],
    config: ExperimentConfig,
    units: Units,
    normaliser: Normaliser,
    card: str,
) -> None:
    """Write a complete model directory; the weights come last, so that a folder with weights is whole."""
    directory = Path(directory)
    if normaliser.overall is not None:
        normaliser.overall.save(directory / GLOBAL)
    directory.mkdir(parents=True, exist_ok=True)
    save_config(config, directory / CONFIG)
    units.save(directory / UNITS)
    with atomic_write(directory / CARD) as stream:
        stream.write(card)
    arrays = {name: tensor.detach().cpu().float().numpy() for name, tensor in weights.items()}
    payload = save({name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()})
    with atomic_write(directory / ONNX, "wb") as stream:
        stream.write(onnx_bytes(config, len(units), arrays, hashlib.sha256(payload).hexdigest()))
    with atomic_write(directory / WEIGHTS, "wb") as stream:
        stream.write(payload)


def load_trained(directory: str | Path, device: str | None = None) -> TrainedModel:
    """Read a model directory.

    Args:
        directory: written by `save_model`.
        device: see `choose_device`.

    Raises:
        ModelError: a file is missing, broken, or does not fit the configuration.
    """
    files = read_model_files(directory)
    directory, config, units = files.directory, files.config, files.units
    model = build_model(config, units)
    try:
        model.load_state_dict(load_file(directory / WEIGHTS))
    except SafetensorError as error:
        raise ModelError(directory / WEIGHTS, f"is damaged ({error})", "copy or train the model again") from None
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:300]
        raise ModelError(directory / WEIGHTS, f"does not fit {CONFIG} ({reason})", "keep both from one run") from None
    return TrainedModel(config, units, files.normaliser, directory, model.eval().to(choose_device(device)))


def choose_device(device: str | None) -> torch.device:
    """The named device, or the first GPU, or the CPU.

    Raises:
        UsageError: the name is unknown or the device is not there.
    """
    if device is None or device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError("--device", f"{device!r} is not a device", "use cpu, cuda or cuda:N") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError("--device", "no CUDA device is available", "use --device cpu")
    return chosen
