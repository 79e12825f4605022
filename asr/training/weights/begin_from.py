"""Begin from another model's weights: fine-tuning, or new units on a trained stack."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from asr.config.experiment import ExperimentConfig
from asr.errors import ModelError
from asr.model.directory import load_trained
from asr.units import Units

LOGGER = logging.getLogger("asr")


def begin_from(model: nn.Module, source: str | Path, config: ExperimentConfig, units: Units) -> list[str]:
    """Copy every weight of a trained model that fits into a new one.

    A weight fits where name and shape agree; the output layer only where the units agree too, because a row of it
    means a unit.

    Args:
        model: the new model, changed in place.
        source: folder of the trained model.
        config: the new experiment.
        units: of the new model.

    Returns:
        Names of the weights that keep their own beginning.

    Raises:
        ModelError: the models hear different features, or no weight fits.
    """
    trained = load_trained(source, "cpu")
    _check_same_features(source, trained.config, config)
    old, new = trained.model.state_dict(), model.state_dict()
    same_units = trained.units.symbols == units.symbols
    fitting = {
        name: tensor.to(new[name].dtype)
        for name, tensor in old.items()
        if name in new and tensor.shape == new[name].shape and (same_units or not name.startswith("output."))
    }
    if not fitting:
        raise ModelError(source, "has no weight of the new model's shapes", "give both the same model settings")
    model.load_state_dict(fitting, strict=False)
    fresh = [name for name in new if name not in fitting]
    LOGGER.info("%d of %d weights begin as in %s; new: %s", len(fitting), len(new), source, " ".join(fresh) or "none")
    return fresh


def _check_same_features(source: str | Path, old: ExperimentConfig, new: ExperimentConfig) -> None:
    before, now = (
        config.features.model_dump(exclude={"store_dtype", "dither_seed", "source"}) for config in (old, new)
    )
    differing = [f"features.{key}" for key in before if before[key] != now[key]]
    if differing:
        raise ModelError(source, f"hears other features: {', '.join(differing)}", "set them as in its config.yaml")
