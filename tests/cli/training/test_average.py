"""`asr average`: a new model folder from the weights of several epochs; the given ones are left as they are."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from asr.__main__ import run

WEIGHTS = "model.safetensors"


@pytest.fixture
def epochs(model_folder, tmp_path):
    """Two epochs: the model's weights, and the same with one added to each."""
    weights = load_file(model_folder / WEIGHTS)
    paths = [tmp_path / "epoch-0001.safetensors", tmp_path / "epoch-0002.safetensors"]
    save_file(weights, paths[0])
    save_file({name: tensor + 1 for name, tensor in weights.items()}, paths[1])
    return paths


def average(paths, model, out):
    return run(["average", *map(str, paths), "--model", str(model), "--out", str(out)])


def test_the_mean_in_a_folder_that_transcribes(epochs, model_folder, manifest, tmp_path, capsys):
    before = {path.name: path.read_bytes() for path in model_folder.iterdir()}
    assert average(epochs, model_folder, tmp_path / "out") == 0
    assert capsys.readouterr().out == f"{tmp_path / 'out'}\n"
    old, new = load_file(model_folder / WEIGHTS), load_file(tmp_path / "out" / WEIGHTS)
    for name in old:
        torch.testing.assert_close(new[name], old[name] + 0.5)
    assert "Average of epoch-0001.safetensors, epoch-0002.safetensors" in (tmp_path / "out" / "card.md").read_text()
    assert {path.name: path.read_bytes() for path in model_folder.iterdir()} == before
    assert run(["transcribe", str(manifest.parent / "u0.wav"), "--model", str(tmp_path / "out")]) == 0


def test_one_epoch_is_taken_as_it_is(epochs, model_folder, tmp_path):
    assert average(epochs[:1], model_folder, tmp_path / "out") == 0
    old, new = load_file(model_folder / WEIGHTS), load_file(tmp_path / "out" / WEIGHTS)
    assert all(torch.equal(old[name], new[name]) for name in old)


def test_weights_of_another_model_are_named_and_nothing_written(epochs, model_folder, tmp_path, capsys):
    save_file({"output.bias": torch.zeros(3)}, epochs[1])
    assert average(epochs, model_folder, tmp_path / "out") == 1
    assert "epoch-0002.safetensors: belongs to another model than the others" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_damaged_weights_are_named(epochs, model_folder, tmp_path, capsys):
    epochs[0].write_bytes(epochs[0].read_bytes()[:50])
    assert average(epochs, model_folder, tmp_path / "out") == 1
    assert "epoch-0001.safetensors: cannot be read" in capsys.readouterr().err


def test_weights_that_do_not_fit_the_model_folder_leave_no_model(epochs, model_folder, tmp_path, capsys):
    for path in epochs:
        save_file({"output.bias": torch.zeros(3)}, path)
    assert average(epochs, model_folder, tmp_path / "out") == 1
    assert "does not fit" in capsys.readouterr().err
    assert not (tmp_path / "out" / WEIGHTS).exists()


@pytest.mark.parametrize("arguments", [[], ["x.safetensors"]])
def test_missing_arguments_are_usage_errors(arguments):
    assert run(["average", *arguments]) == 2
