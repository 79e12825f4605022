"""Stopped after any update and resumed, training ends in the same bits with every switch on that has a state.

One experiment with everything: accumulated batches, speeds and masks drawn by epoch, dropout, intermediate CTC,
smoothing, a moving average, float16 with its scaler (which starts too high, so that its first updates overflow).
"""

import json
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file
from tests_toy import toy_config, write_toy_data

from asr.training.checkpoint import list_checkpoints, load_checkpoint, load_newest
from asr.training.experiment import train_experiment
from asr.training.step.precision import gradient_scaler
from asr.training.trainer import Trainer

EVERYTHING = toy_config(
    augmentation={"first_epoch": 1},
    model={"layers": 2, "dropout": 0.2, "intermediate_layers": [1]},
    training={
        "epochs": 3, "accumulate": 2, "save_steps": 2, "log_steps": 1, "keep": 2, "average": 2,
        "ema": 0.8, "label_smoothing": 0.05, "intermediate_weight": 0.3, "precision": "float16",
    },
)  # fmt: skip
FIRST_SCALE = 2.0**20
UPDATES = 9  # 24 utterances, 4 a batch, 2 batches an update, 3 epochs


class Stop(Exception):
    """Stands for a power cut."""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_toy_data(tmp_path_factory.mktemp("toy") / "data")


def scaler_that_starts_too_high(precision, device):
    scaler = gradient_scaler(precision, device)
    scaler.update(FIRST_SCALE)
    return scaler


def train(data, experiment, **options):
    # PyTorch's own LSTM computes in float16 on any CPU.
    patched = patch("asr.training.step.update.gradient_scaler", scaler_that_starts_too_high)
    with torch.backends.mkldnn.flags(enabled=False), patched:
        return train_experiment(EVERYTHING, data, experiment, device="cpu", threads=1, **options)


@pytest.fixture(scope="module")
def straight(data, tmp_path_factory):
    experiment = tmp_path_factory.mktemp("straight") / "exp"
    train(data, experiment)
    return experiment


def final_state(experiment):
    return load_checkpoint(list_checkpoints(experiment / "checkpoints")[-1])


def assert_same(one, other, where="state"):
    """Equal to the last bit, in whatever is nested in what."""
    assert type(one) is type(other), where
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for key in one:
            assert_same(one[key], other[key], f"{where}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), where
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{where}[{index}]")
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other), where
    else:
        assert one == other, where


@pytest.mark.parametrize("stop", range(UPDATES))
def test_a_stop_after_any_update_changes_nothing(data, straight, tmp_path, monkeypatch, stop):
    """Weights, and with them optimiser, schedule, position, scaler and average of the last state."""
    original = Trainer._update

    def stopping(self, *arguments):
        if self.progress.step == stop:
            raise Stop
        original(self, *arguments)

    with monkeypatch.context() as context:
        context.setattr(Trainer, "_update", stopping)
        with pytest.raises(Stop):
            train(data, tmp_path / "exp")
    train(data, tmp_path / "exp", resume=True)
    assert_same(final_state(straight), final_state(tmp_path / "exp"))
    name = "model/model.safetensors"
    assert (straight / name).read_bytes() == (tmp_path / "exp" / name).read_bytes()
    lines = [(folder / "metrics.jsonl").read_text().splitlines() for folder in (straight, tmp_path / "exp")]
    judged = [[json.loads(line) for line in each if '"dev"' in line] for each in lines]
    assert judged[0] == judged[1]


def test_the_last_state_holds_whatever_an_update_depends_on(straight):
    state = final_state(straight)
    assert state["progress"]["step"] == UPDATES
    taken = state["ema"]["observations"]
    assert 0 < taken < UPDATES  # the first updates overflowed in float16 and count neither here ...
    assert {int(entry["step"]) for entry in state["optimizer"]["state"].values()} == {taken}  # ... nor there
    assert state["progress"]["bad_steps"] == 0  # ... and are not bad
    assert state["scaler"]["scale"] == FIRST_SCALE / 2 ** (UPDATES - taken)
    assert state["optimizer"]["param_groups"][0]["lr"] > 0


def test_the_model_is_made_of_averaged_weights_not_of_the_last_ones(straight):
    """Every epoch's file holds the moving average of its end, and the model is the mean of two of them."""
    state, files = final_state(straight), sorted((straight / "checkpoints").glob("epoch-*.safetensors"))
    epochs = [load_file(path) for path in files]
    assert len(epochs) == 2
    newest = load_file(straight / "checkpoints" / "epoch-0002.safetensors")
    for name, average in state["ema"]["weights"].items():
        assert torch.equal(newest[name], average)
    assert any(not torch.equal(newest[name], state["model"][name]) for name in newest)
    final = load_file(straight / "model" / "model.safetensors")
    for name, tensor in final.items():
        torch.testing.assert_close(tensor, (epochs[0][name] + epochs[1][name]) / 2, rtol=1e-6, atol=1e-7)


def test_the_rehearsal_of_the_longest_batch_changes_not_one_bit(data, straight, tmp_path, monkeypatch):
    monkeypatch.setattr(Trainer, "rehearse", lambda self, plan: setattr(self, "rehearsed", True))
    train(data, tmp_path / "without")
    assert_same(final_state(straight), final_state(tmp_path / "without"))


def test_a_resume_rehearses_the_longest_batch_again(data, straight, tmp_path, monkeypatch):
    """The second process may have less memory than the first."""
    rehearsed = []
    original = Trainer.rehearse

    def counting(self, plan):
        rehearsed.append((self.progress.step, max(plan.loads)))
        original(self, plan)

    monkeypatch.setattr(Trainer, "rehearse", counting)
    train(data, tmp_path / "exp", stop_after=1)
    train(data, tmp_path / "exp", resume=True)
    assert [step for step, _ in rehearsed] == [0, 3]
    assert load_newest(tmp_path / "exp" / "checkpoints")["progress"]["step"] == UPDATES
