"""What lies in a model directory and can be read without torch: configuration, units, normalisation, weights.

A model directory holds `model.safetensors`, `config.yaml`, `units.txt`, `model.onnx` and `card.md`; a model trained on
globally normalised features also the statistics, `global.npz`. Reading one never unpickles.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from asr.config.experiment import ExperimentConfig, load_config
from asr.errors import ModelError
from asr.features.normalisation import Normaliser
from asr.units import Units

WEIGHTS, CONFIG, UNITS, CARD = "model.safetensors", "config.yaml", "units.txt", "card.md"
ONNX, ONNX_INT8 = "model.onnx", "model.int8.onnx"


@dataclass(frozen=True)
class ModelFiles:
    """What a model directory holds beside the network."""

    config: ExperimentConfig
    units: Units
    normaliser: Normaliser
    directory: Path

    @property
    def seconds_per_frame(self) -> float:
        """Seconds between two rows of the log-probabilities."""
        return seconds_per_frame(self.config)


def seconds_per_frame(config: ExperimentConfig) -> float:
    """Seconds between two output frames of a model with this configuration."""
    return config.features.frame_shift_ms * config.model.time_reduction / 1000


def read_model_files(directory: str | Path) -> ModelFiles:
    """Read a model directory, but for its network.

    Raises:
        ModelError: a file is missing.
        AsrError: one is broken.
    """
    directory = Path(directory)
    for name in (WEIGHTS, CONFIG, UNITS):
        if not (directory / name).is_file():
            raise ModelError(directory, f"has no {name}", "give the 'model' folder of an experiment")
    config = load_config(directory / CONFIG)
    units = Units.load(directory / UNITS)
    return ModelFiles(config, units, Normaliser.of_directory(directory, config.features), directory)


def read_weights(directory: str | Path) -> dict[str, np.ndarray]:
    """The weights by their names in `AcousticModel`, float32 whatever the file holds: float16 halves a download.

    Raises:
        ModelError: the file is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    path = Path(directory) / WEIGHTS
    try:
        return {name: values.astype(np.float32) for name, values in load_file(path).items()}
    except SafetensorError as error:
        raise ModelError(path, f"is damaged ({error})", "copy or train the model again") from None
