"""Checkpoints: whole or passed over, and reading one never runs code."""

import hashlib
import pickle

import pytest
import torch
from tests_toy import toy_config

from asr.config.experiment import ExperimentConfig
from asr.errors import CheckpointError
from asr.model.directory import build_model
from asr.training.checkpoint import (
    differing_settings,
    disk_of,
    list_checkpoints,
    load_checkpoint,
    load_newest,
    save_checkpoint,
)
from asr.units import BLANK_SYMBOL, Units


def state(value):
    return {"w": torch.tensor([value]), "progress": {"step": value, "history": []}}


def test_what_is_saved_comes_back(tmp_path):
    path = save_checkpoint(tmp_path, 7, state(7), keep=2)
    loaded = load_checkpoint(path)
    assert loaded["w"].item() == 7
    assert loaded["progress"] == {"step": 7, "history": []}


def test_only_the_newest_are_kept(tmp_path):
    for step in (1, 2, 30, 4):
        save_checkpoint(tmp_path, step, state(step), keep=2)
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-00000004.pt", "step-00000030.pt"]
    assert load_newest(tmp_path)["w"].item() == 30


@pytest.mark.parametrize("damage", ["truncate", "flip", "no digest", "empty"])
def test_a_damaged_newest_is_passed_over(tmp_path, damage, caplog):
    save_checkpoint(tmp_path, 1, state(1), keep=2)
    path = save_checkpoint(tmp_path, 2, state(2), keep=2)
    payload = bytearray(path.read_bytes())
    if damage == "truncate":
        path.write_bytes(payload[: len(payload) // 2])
    elif damage == "flip":
        payload[len(payload) // 2] ^= 1
        path.write_bytes(payload)
    elif damage == "empty":
        path.write_bytes(b"")
    else:
        path.with_suffix(".sha256").unlink()
    assert load_newest(tmp_path)["w"].item() == 1
    assert "step-00000002.pt" in caplog.text


def test_a_first_save_cut_off_before_its_digest_is_a_fresh_start(tmp_path):
    path = save_checkpoint(tmp_path, 1, state(1), keep=2)
    path.with_suffix(".sha256").unlink()
    assert load_newest(tmp_path) is None


def test_no_folder_is_a_fresh_start(tmp_path):
    assert load_newest(tmp_path / "nowhere") is None


def test_all_damaged_is_an_error(tmp_path):
    for step in (1, 2):
        save_checkpoint(tmp_path, step, state(step), keep=2).write_bytes(b"x")
    with pytest.raises(CheckpointError, match="no checkpoint in it can be read"):
        load_newest(tmp_path)


def test_a_checkpoint_that_would_run_code_is_refused(tmp_path):
    path = save_checkpoint(tmp_path, 1, state(1), keep=2)
    payload = pickle.dumps(print, protocol=2)
    path.write_bytes(payload)
    path.with_suffix(".sha256").write_text(hashlib.sha256(payload).hexdigest())
    with pytest.raises(CheckpointError, match="is not a training state"):
        load_checkpoint(path)


def test_a_failed_save_leaves_the_old_checkpoints(tmp_path, monkeypatch):
    save_checkpoint(tmp_path, 1, state(1), keep=2)

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("asr.files.os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        save_checkpoint(tmp_path, 2, state(2), keep=2)
    assert load_newest(tmp_path)["w"].item() == 1
    assert not list(tmp_path.glob(".*.tmp"))


def test_settings_that_came_after_a_state_have_their_defaults_in_it():
    defaults = ExperimentConfig().model_dump()
    old, new = ExperimentConfig().model_dump(), ExperimentConfig().model_dump()
    del old["training"]["ema"], old["model"]["intermediate_layers"], old["shards"]
    assert differing_settings(old, new, defaults) == []
    new["training"]["ema"] = 0.9
    new["shards"]["lanes"] += 1
    assert differing_settings(old, new, defaults) == ["shards.lanes", "training.ema"]


def test_only_what_changes_an_experiment_differs():
    defaults = ExperimentConfig().model_dump()
    new = ExperimentConfig().model_dump()
    new["training"].update(save_steps=7, workers=3, learning_rate=0.5)
    new["decoding"]["beam"] = 99
    assert differing_settings(defaults, new, defaults) == ["training.learning_rate"]


def test_disk_is_what_is_kept():
    config = toy_config(training={"epochs": 3, "average": 9, "keep": 4})
    model = build_model(config, Units("characters", [BLANK_SYMBOL, "a"]))
    weights = 4 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert disk_of(config, model, 1000) == 4 * 1000 + 3 * weights, "no more epochs than there are can be averaged"
