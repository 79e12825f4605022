"""The denominator of an experiment: given, kept from an earlier start, or made of the training texts.

An experiment whose `training.criterion` is "ctc-crf" keeps the n-gram of its denominator in the folder `denominator`,
so that a resume goes on with the same one whatever has become of the texts.
"""

from __future__ import annotations

import logging
from pathlib import Path

from asr.batches.examples import Examples
from asr.batches.sets import TrainingSet
from asr.config.experiment import ExperimentConfig
from asr.errors import TrainingError
from asr.lm.automaton import build_model
from asr.lm.files import load_lm
from asr.lm.kneser_ney import train_ngrams
from asr.lm.ngram import NGramModel
from asr.lm.text import lm_symbols
from asr.model.denominator import Denominator
from asr.training.processes.world import World
from asr.units import Units

LOGGER = logging.getLogger("asr")
FOLDER = "denominator"


def denominator_for(
    config: ExperimentConfig,
    train: TrainingSet,
    units: Units,
    experiment: Path | None = None,
    *,
    resume: bool = False,
    world: World | None = None,
) -> Denominator | None:
    """What the criterion of an experiment needs beside the network; None where it is CTC.

    Args:
        config: the experiment.
        train: whose texts the n-gram is trained on where `training.denominator` names none.
        units: of the model.
        experiment: folder that keeps the n-gram; None keeps nothing.
        resume: take the one that is kept there, if any.
        world: the processes that train together; the first makes it for all.

    Raises:
        TrainingError: a training set in shards and no n-gram given, or one of other units.
        DecodingError: the n-gram given is missing or broken, or there is no text.
    """
    if config.training.criterion == "ctc":
        return None
    world = world or World()
    ngram = world.once(lambda: _ngram(config, train, units, experiment, resume))
    found = Denominator(ngram, units)
    LOGGER.info("denominator: %s", found.describe())
    return found


def _ngram(
    config: ExperimentConfig, train: TrainingSet, units: Units, experiment: Path | None, resume: bool
) -> NGramModel:
    kept = experiment / FOLDER if experiment is not None else None
    if resume and kept is not None and kept.is_dir():
        return load_lm(kept)
    if config.training.denominator:
        ngram = load_lm(config.training.denominator, "units")
    else:
        ngram = _trained(train, units, config.training.denominator_order)
    if kept is not None:
        ngram.save(kept)
    return ngram


def _trained(train: TrainingSet, units: Units, order: int) -> NGramModel:
    if not isinstance(train, Examples):
        raise TrainingError(
            "training.denominator",
            "is not given, and the texts of a training set in shards lie between its audio",
            "train an n-gram on them with 'asr lm train --unit units' and name it",
        )
    symbols = lm_symbols(units)
    labels = train.rows.labels
    sentences = ([symbols[label] for label in labels[number].tolist()] for number in range(len(labels)))
    return build_model(train_ngrams(sentences, order, unit="units"))
