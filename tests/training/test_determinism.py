"""The deterministic switch: which settings it changes, that it gives them back, and that the CPU needs none of it."""

import logging
import os

import pytest
import torch
from tests_toy import toy_config

from asr.training.determinism import WORKSPACE, deterministic_algorithms, explanation
from asr.training.experiment import train_experiment

WEIGHTS = "model/model.safetensors"


def flags():
    return (
        torch.are_deterministic_algorithms_enabled(),
        torch.backends.cudnn.deterministic,
        torch.backends.cudnn.benchmark,
        torch.utils.deterministic.fill_uninitialized_memory,
        os.environ.get(WORKSPACE),
    )


def test_within_it_pytorch_is_deterministic_and_afterwards_as_before(monkeypatch):
    monkeypatch.delenv(WORKSPACE, raising=False)
    monkeypatch.setattr(torch.backends.cudnn, "benchmark", True)
    before = flags()
    with pytest.raises(KeyError), deterministic_algorithms(True):
        assert flags() == (True, True, False, False, ":4096:8")
        raise KeyError
    assert flags() == before


def test_a_workspace_that_the_user_chose_is_kept(monkeypatch):
    monkeypatch.setenv(WORKSPACE, ":16:8")
    with deterministic_algorithms(True):
        assert os.environ[WORKSPACE] == ":16:8"
    assert os.environ[WORKSPACE] == ":16:8"


def test_switched_off_it_touches_nothing(caplog):
    before = flags()
    with deterministic_algorithms(False):
        assert flags() == before
    assert not caplog.records


def test_the_log_says_what_it_costs_and_what_to_keep_fixed(caplog):
    caplog.set_level(logging.INFO, logger="asr")
    with deterministic_algorithms(True):
        pass
    assert "no time that could be measured" in caplog.text
    assert "a cost that has not been measured" in caplog.text
    assert "say --threads 3 " in explanation(3)


def test_on_the_cpu_the_switch_changes_not_one_bit(toy_data, tmp_path):
    for name, deterministic in (("off", False), ("on", True)):
        train_experiment(toy_config(), toy_data, tmp_path / name, device="cpu", threads=1, deterministic=deterministic)
    assert (tmp_path / "off" / WEIGHTS).read_bytes() == (tmp_path / "on" / WEIGHTS).read_bytes()
    assert not torch.are_deterministic_algorithms_enabled()


@pytest.mark.gpu
def test_two_trainings_on_a_gpu_give_the_same_bits(toy_data, tmp_path):
    for name in ("one", "two"):
        train_experiment(toy_config(), toy_data, tmp_path / name, device="cuda", deterministic=True)
    assert (tmp_path / "one" / WEIGHTS).read_bytes() == (tmp_path / "two" / WEIGHTS).read_bytes()
