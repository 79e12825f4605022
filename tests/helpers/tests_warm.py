"""Compile, once, what many tests wait for: `python tests/helpers/tests_warm.py search|training` before the workers.

Compiled code is kept on disk, so workers that start afterwards load it, and no two of them compile the same.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import torch

from asr.batches.examples import Batch
from asr.config.sections import ModelConfig, TrainingConfig
from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.phrases import Phrases
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.model.acoustic import AcousticModel
from asr.pronunciation.lexicon import Lexicon
from asr.training.processes.share import Share
from asr.training.step.update import Updater
from asr.units import BLANK_SYMBOL, Units


def search() -> None:
    """Beam searches without a model, with one over units, and with words, lexicon and phrases."""
    units = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
    probs = np.random.default_rng(0).dirichlet(np.full(len(units), 0.3), 20)
    log_probs = np.log(probs + 1e-6).astype(np.float32)
    sentences = [["ab", "ca"], ["ca", "ab", "b"]] * 3
    words = build_model(train_ngrams(sentences, 2))
    symbols = build_model(train_ngrams([list("ab"), list("ca")] * 3, 2, unit="units"))
    for parts in (
        {},
        {"lm": symbols},
        {"lm": words, "lexicon": Lexicon.from_words(["ab", "ca", "b"]), "phrases": Phrases({"ab ca": 2.0}, units)},
    ):
        for options in (BeamOptions(8, nbest=3), BeamOptions(8, words=False)):
            BeamDecoder(units, 0.04, options=options, **parts).decode(log_probs)


def training() -> None:
    """One update of a small model."""
    torch.manual_seed(1)
    model = AcousticModel(ModelConfig(channels=16, input_size=16, hidden=16, layers=1), 8, 5)
    batch = Batch(["a"], torch.randn(1, 40, 8), torch.tensor([40]), [[1, 2]], 0.4)
    Updater(model, TrainingConfig(), torch.device("cpu")).update(Share([batch], [1], 1, 1), 1e-3)


if __name__ == "__main__":
    chosen: dict[str, Callable[[], None]] = {"search": search, "training": training}
    chosen[sys.argv[1]]()
