"""A model of three phones and a lexicon of a few words, and log-probabilities that say what one wants."""

import numpy as np
import torch
from tests_model import model_config

from asr.features.normalisation import Normaliser
from asr.model.directory import build_model, save_model
from asr.units import BLANK_SYMBOL, Units

ENTRIES = {"cat": [("k", "æ", "t")], "tack": [("t", "æ", "k")], "at": [("æ", "t"), ("t",)], "act": [("æ", "k", "t")]}
PHONES = Units("phones", [BLANK_SYMBOL, "k", "t", "æ"], language="en-us", lexicon=ENTRIES)


def saying(phones, confidence=0.9, frames=2):
    """Log-probabilities (T, 4) that say phones, each for some frames and then a blank; "-" is a blank more."""
    rows = []
    for phone in phones:
        rows += [PHONES.ids.get(phone, 0)] * frames + [0]
    probabilities = np.full((len(rows), len(PHONES)), (1 - confidence) / (len(PHONES) - 1))
    probabilities[np.arange(len(rows)), rows] = confidence
    return np.log(probabilities).astype(np.float32)


def write_phone_model(folder):
    """An untrained model of phones that says something."""
    config = model_config()
    torch.manual_seed(3)
    weights = build_model(config, PHONES).state_dict()
    weights["output.weight"] *= 6
    save_model(folder, weights, config, PHONES, Normaliser("utterance"), "# phones\n")
    return folder
