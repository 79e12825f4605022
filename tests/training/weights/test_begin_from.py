"""Beginning from another model: what fits is copied, what means something else is not."""

import pytest
import torch
from tests_toy import toy_config

from asr.config.sections import UnitsConfig
from asr.errors import ModelError
from asr.model.directory import build_model, load_trained
from asr.training.experiment import train_experiment
from asr.training.weights.begin_from import begin_from
from asr.units import build_units


@pytest.fixture
def trained(toy_data, tmp_path):
    return train_experiment(toy_config(), toy_data, tmp_path / "first", threads=1).model


def test_same_units_and_shapes_copy_every_weight(trained):
    source = load_trained(trained, "cpu")
    torch.manual_seed(5)
    model = build_model(source.config, source.units)
    assert begin_from(model, trained, source.config, source.units) == []
    old = source.model.state_dict()
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, old[name].float(), rtol=0, atol=0)


def test_other_units_of_the_same_number_keep_a_new_output_layer(trained):
    """A row of the output layer is a unit: copying it to another unit would be worse than nothing."""
    source = load_trained(trained, "cpu")
    other = build_units(["wxyz wxyz"], UnitsConfig())
    assert len(other) == len(source.units)
    model = build_model(source.config, other)
    before = model.output.weight.detach().clone()
    assert begin_from(model, trained, source.config, other) == ["output.weight", "output.bias"]
    assert torch.equal(model.output.weight, before)


def test_a_wider_model_takes_only_what_fits(trained, caplog):
    source = load_trained(trained, "cpu")
    config = toy_config(model={"hidden": 32})
    fresh = begin_from(build_model(config, source.units), trained, config, source.units)
    assert any(name.startswith("stack.") for name in fresh)
    assert not any(name.startswith("front_end.") for name in fresh)


def test_other_features_are_refused_by_name(trained):
    source = load_trained(trained, "cpu")
    config = toy_config(features={"window": "hamming"})
    with pytest.raises(ModelError, match=r"hears other features: features\.window"):
        begin_from(build_model(config, source.units), trained, config, source.units)


def test_a_model_without_one_fitting_weight_is_refused(trained, toy_data):
    config = toy_config(model={"front_end": "convolution", "hidden": 30, "input_size": 20, "layer_norm": False})
    units = build_units(["wxyz"], UnitsConfig())
    with pytest.raises(ModelError, match="no weight of the new model's shapes"):
        begin_from(build_model(config, units), trained, config, units)


def test_training_goes_on_better_than_from_nothing(trained, toy_data, tmp_path):
    """One epoch at a tiny learning rate: only the copied weights can explain the dev loss."""
    config = toy_config(training={"epochs": 1, "learning_rate": 1e-6, "average": 1})
    tuned = train_experiment(config, toy_data, tmp_path / "tuned", threads=1, init=trained)
    fresh = train_experiment(config, toy_data, tmp_path / "fresh", threads=1)
    assert tuned.dev.loss < 0.7 * fresh.dev.loss
