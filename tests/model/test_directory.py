"""A model folder: what is written comes back, what is broken is named, and half of one is never taken for a whole."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tests_model import model_config, write_model

from asr.errors import ConfigError, ModelError, UnitsError, UsageError
from asr.features.normalisation import GLOBAL, CmvnStatistics, Normaliser
from asr.model.directory import (
    CARD,
    CONFIG,
    UNITS,
    WEIGHTS,
    build_model,
    choose_device,
    load_trained,
    save_model,
    seconds_per_frame,
)
from asr.model.files import read_weights
from asr.units import BLANK_SYMBOL, Units

LETTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])


def save(folder, config=None, normaliser=None, units=LETTERS):
    config = config or model_config()
    torch.manual_seed(3)
    weights = build_model(config, units).state_dict()
    save_model(folder, weights, config, units, normaliser or Normaliser("utterance"), "# card\n")
    return weights


def test_what_was_saved_comes_back(tmp_path):
    weights = save(tmp_path / "model")
    trained = load_trained(tmp_path / "model", "cpu")
    assert trained.config == model_config()
    assert trained.units.symbols == LETTERS.symbols
    assert trained.directory == tmp_path / "model"
    assert not trained.model.training
    loaded = trained.model.state_dict()
    assert loaded.keys() == weights.keys()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())
    assert (tmp_path / "model" / CARD).read_text() == "# card\n"


def test_weights_of_half_precision_are_read_as_float32(tmp_path):
    weights = save(tmp_path / "model")
    save_file({name: tensor.half() for name, tensor in weights.items()}, tmp_path / "model" / WEIGHTS)
    loaded = load_trained(tmp_path / "model", "cpu").model.state_dict()
    without_torch = read_weights(tmp_path / "model")
    for name, tensor in weights.items():
        assert loaded[name].dtype == torch.float32 and without_torch[name].dtype == np.float32
        assert torch.equal(loaded[name], tensor.half().float())
        assert np.array_equal(without_torch[name], loaded[name].numpy())


def test_loading_draws_no_random_number_that_shows(tmp_path):
    """Weights come from the file, whatever the state of the generator when the model is built."""
    weights = save(tmp_path / "model")
    torch.manual_seed(99)
    loaded = load_trained(tmp_path / "model", "cpu").model.state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in weights.items())


def test_weights_that_share_memory_or_lie_across_it_are_saved_whole(tmp_path):
    config = model_config()
    torch.manual_seed(3)
    weights = build_model(config, LETTERS).state_dict()
    name = next(name for name, tensor in weights.items() if tensor.dim() == 2)
    weights[name] = weights[name].t().contiguous().t()
    assert not weights[name].is_contiguous()
    save_model(tmp_path / "model", weights, config, LETTERS, Normaliser("utterance"), "")
    assert torch.equal(load_file(tmp_path / "model" / WEIGHTS)[name], weights[name])


def test_statistics_travel_with_a_model_of_globally_normalised_features(tmp_path):
    config = model_config().model_copy(deep=True)
    features = config.features.model_copy(update={"normalisation": "global"})
    config = config.model_copy(update={"features": features})
    statistics = CmvnStatistics.of(np.random.default_rng(1).normal(5, 2, (50, 20)).astype(np.float32))
    save(tmp_path / "model", config, Normaliser("global", statistics))
    matrix = torch.full((3, 20), 7.0)
    expected = Normaliser("global", statistics)(matrix, "")
    torch.testing.assert_close(load_trained(tmp_path / "model", "cpu").normaliser(matrix, ""), expected)
    (tmp_path / "model" / GLOBAL).unlink()
    with pytest.raises(Exception, match=GLOBAL):
        load_trained(tmp_path / "model", "cpu")


@pytest.mark.parametrize("name", [WEIGHTS, CONFIG, UNITS])
def test_a_missing_file_is_named(tmp_path, name):
    folder = write_model(tmp_path / "model")
    (folder / name).unlink()
    with pytest.raises(ModelError, match=f"has no {name}; give the 'model' folder of an experiment"):
        load_trained(folder, "cpu")


def test_without_its_card_a_model_is_still_a_model(tmp_path):
    folder = write_model(tmp_path / "model")
    (folder / CARD).unlink()
    load_trained(folder, "cpu")


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        (WEIGHTS, b"not safetensors at all", ModelError),
        (WEIGHTS, b"", ModelError),
        (CONFIG, b"model: [", ConfigError),
        (CONFIG, b"model: {hidden: many}\n", ConfigError),
        (UNITS, b"a\nb\n", UnitsError),
        (UNITS, b"#units characters\na\n", UnitsError),
    ],
)
def test_a_damaged_file_is_an_error_of_its_kind(tmp_path, name, content, error):
    folder = write_model(tmp_path / "model")
    (folder / name).write_bytes(content)
    with pytest.raises(error):
        load_trained(folder, "cpu")


def test_weights_cut_in_the_middle_are_named(tmp_path):
    folder = write_model(tmp_path / "model")
    whole = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ModelError, match=rf"{WEIGHTS}: is damaged"):
        load_trained(folder, "cpu")


def test_units_of_another_model_do_not_fit(tmp_path):
    folder = write_model(tmp_path / "model")
    LETTERS.save(folder / UNITS)
    with pytest.raises(ModelError, match=r"does not fit config\.yaml .*keep both from one run"):
        load_trained(folder, "cpu")


def test_a_save_that_fails_leaves_the_old_weights(tmp_path, monkeypatch):
    before = save(tmp_path / "model")
    monkeypatch.setattr("asr.model.directory.save", lambda weights: (_ for _ in ()).throw(OSError(28, "No space")))
    with pytest.raises(OSError, match="No space"):
        save(tmp_path / "model")
    assert torch.equal(load_file(tmp_path / "model" / WEIGHTS)["output.bias"], before["output.bias"])
    assert not list((tmp_path / "model").glob(".*tmp"))


@pytest.mark.parametrize(("reduction", "shift", "seconds"), [(4, 10.0, 0.04), (3, 10.0, 0.03), (2, 12.5, 0.025)])
def test_seconds_of_an_output_frame(reduction, shift, seconds):
    config = model_config(time_reduction=reduction)
    config = config.model_copy(update={"features": config.features.model_copy(update={"frame_shift_ms": shift})})
    assert seconds_per_frame(config) == pytest.approx(seconds)


def test_devices_by_name():
    assert choose_device("cpu").type == "cpu"
    assert choose_device(None).type == ("cuda" if torch.cuda.is_available() else "cpu")
    with pytest.raises(UsageError, match="'toaster' is not a device; use cpu, cuda or cuda:N"):
        choose_device("toaster")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_gpu_that_is_not_there():
    with pytest.raises(UsageError, match="no CUDA device is available; use --device cpu"):
        choose_device("cuda:0")
