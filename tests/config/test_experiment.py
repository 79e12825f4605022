"""Configuration: defaults < file < --set; every mistake is named."""

from pathlib import Path

import pytest

from asr.config.experiment import ExperimentConfig, load_config, save_config
from asr.errors import ConfigError

CONFIGS = sorted((Path(__file__).parents[2] / "conf").glob("*.yaml"))


def test_precedence(tmp_path):
    path = tmp_path / "c.yaml"
    path.write_text("training:\n  epochs: 7\n  average: 2\nmodel:\n  hidden: 99\n")
    config = load_config(path, ["training.epochs=9", "augmentation.speeds=[0.9, 1.0]"])
    assert config.training.epochs == 9  # --set wins over the file
    assert config.training.average == 2  # the file wins over the default
    assert config.model.layers == ExperimentConfig().model.layers
    assert config.augmentation.speeds == [0.9, 1.0]


def test_an_empty_file_is_the_defaults(tmp_path):
    (tmp_path / "c.yaml").write_text("")
    assert load_config(tmp_path / "c.yaml") == load_config() == ExperimentConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("trainig:\n  epochs: 3\n", "trainig: unknown configuration key"),
        ("training:\n  epoch: 3\n", r"training\.epoch: unknown configuration key"),
        ("training:\n  epochs: many\n", r"training\.epochs: .*integer.*'many'"),
        ("model:\n  time_reduction: 5\n", r"model\.time_reduction: .*given: 5"),
        ("model:\n  dropout: 1.5\n", r"model\.dropout: .*less than 1"),
        ("model: 3\n", "model: .*given: 3"),
        ("- a\n- b\n", "is not a mapping of sections"),
        ("a: [1\n", "is not YAML"),
        ("augmentation: {frequency_mask_bins: 90}\n", "wider than features.mel_bins"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    (tmp_path / "c.yaml").write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_config(tmp_path / "c.yaml")


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("epochs", "is not of the form section.key=value"),
        ("=3", "is not of the form"),
        ("training.nothing=3", r"training\.nothing: unknown configuration key"),
        ("seed.deeper=3", "seed"),
    ],
)
def test_mistakes_in_set_are_named(setting, message):
    with pytest.raises(ConfigError, match=message):
        load_config(None, [setting])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.yaml: No such file"):
        load_config(tmp_path / "none.yaml")


def test_what_is_saved_loads_as_the_same(tmp_path):
    config = load_config(None, ["model.hidden=17", "name=ünï"])
    save_config(config, tmp_path / "c.yaml")
    assert load_config(tmp_path / "c.yaml") == config


def test_a_loaded_configuration_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        load_config().model.hidden = 3


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_recipe_configuration_is_valid(path):
    config = load_config(path)
    assert config.name == path.stem
    assert config.licence != "not stated"
