"""Judging a model on a set: rates in percent, texts outside the units counted but without a loss."""

import math
from dataclasses import replace

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Examples
from asr.batches.stored import StoredSource
from asr.corpus.manifest import load_manifest
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.model.directory import build_model
from asr.training.validation import validate
from asr.units import Units


class Silent(torch.nn.Module):
    """A model that puts all but a little of its probability on the blank."""

    def __init__(self, units):
        super().__init__()
        self.row = torch.full((units,), math.log(0.1 / (units - 1)))
        self.row[0] = math.log(0.9)

    def forward(self, features, lengths):
        return self.row.expand(len(lengths), features.shape[1], -1), lengths


@pytest.fixture
def dev(toy_data):
    """The toy dev set, the first text outside the units."""
    utterances = load_manifest(toy_data / "dev.jsonl")
    utterances[0] = replace(utterances[0], text="XYZ XYZ")
    units = Units.load(toy_data / "units.txt")
    store = FeatureStore.open(toy_data / "features" / "dev")
    source = StoredSource(utterances, store, Normaliser("utterance"))
    return Examples(utterances, source, units, toy_config(), training=False), units


def test_a_silent_model_loses_every_word_in_percent(dev):
    examples, units = dev
    result = validate(Silent(len(units)), examples, units, torch.device("cpu"))
    assert result.wer == 100.0
    assert result.cer == 100.0
    assert 0 < result.loss < math.inf


def test_judging_leaves_the_model_as_it_is_and_repeats_exactly(dev):
    examples, units = dev
    torch.manual_seed(0)
    model = build_model(examples.config, units)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    first = validate(model, examples, units, torch.device("cpu"))
    assert first == validate(model, examples, units, torch.device("cpu"))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
