"""What a checkpoint must have in common with the training that goes on from it: settings, units, and the data.

Everything that would change the result without a word is refused and named; only `training.epochs` may grow.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

from asr.batches.examples import Examples
from asr.batches.sets import TrainingSet
from asr.config.experiment import ExperimentConfig
from asr.errors import CheckpointError
from asr.training.checkpoint import differing_settings
from asr.units import Units

LOGGER = logging.getLogger("asr")
EPOCHS = "training.epochs"


def data_state(train: TrainingSet, dev: Examples) -> dict[str, Any]:
    """What a checkpoint keeps of its data: for either set a digest of ids, texts and lengths, a digest of what the
    features are made from, and how many utterances there are."""
    return {
        name: {"set": examples.identity(), "input": examples.input_identity(), "utterances": count}
        for name, examples, count in (
            ("training set", train, train.facts().utterances),
            ("dev set", dev, len(dev.utterances)),
        )
    }


def require_same_experiment(
    state: dict[str, Any], config: ExperimentConfig, units: Units, data: dict[str, Any], checkpoints: Path
) -> None:
    """Refuse to go on from a checkpoint of another experiment.

    Features that were computed again may differ in their last bits, so they are only told of.

    Raises:
        CheckpointError: other settings, units or data; the message names them.
    """
    differing = differing_settings(state["config"], config.model_dump(), ExperimentConfig().model_dump())
    longer = _grows(state["config"], config)
    if longer:
        differing.remove(EPOCHS)
    if differing or state["units"] != units.symbols:
        what = ", ".join(differing) or "the units"
        what += " (the number of epochs may grow, not shrink)" if EPOCHS in differing else ""
        raise CheckpointError(
            checkpoints, f"belongs to an experiment with other settings: {what}", "use another --exp folder"
        )
    _require_same_data(state["data"], data, checkpoints)
    if longer:
        LOGGER.info("%s grows: the learning rate follows the schedule of %s epochs from here on", EPOCHS, longer)


def _grows(old: dict[str, Any], new: ExperimentConfig) -> int:
    before, now = old["training"]["epochs"], new.training.epochs
    return now if now > before else 0


def _require_same_data(before: dict[str, Any], now: dict[str, Any], checkpoints: Path) -> None:
    changed = [name for name in now if before[name]["set"] != now[name]["set"]]
    if changed:
        counts = "; ".join(
            f"the {name} has {now[name]['utterances']} utterances now and had {before[name]['utterances']}"
            if before[name]["utterances"] != now[name]["utterances"]
            else f"ids, texts or lengths of the {name} are others than they were"
            for name in changed
        )
        remedy = "restore the data, or train in another --exp folder, with --init from this one's model if you like"
        raise CheckpointError(checkpoints, f"was trained on other data: {counts}", remedy)
    for name in now:
        if before[name]["input"] != now[name]["input"]:
            LOGGER.warning(
                "the features or recordings of the %s changed since the checkpoint; going on with them", name
            )
