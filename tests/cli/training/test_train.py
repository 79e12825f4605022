"""`asr train` and `asr check` at the command line: the checks, their output and their exit codes."""

import json
import shutil

import pytest
from tests_toy import toy_config, write_toy_data

from asr.__main__ import run
from asr.config.experiment import save_config


@pytest.fixture
def toy(tmp_path):
    """The arguments that every call here has in common."""
    write_toy_data(tmp_path / "data")
    save_config(toy_config(), tmp_path / "toy.yaml")
    return ["--data", str(tmp_path / "data"), "--config", str(tmp_path / "toy.yaml"), "--device", "cpu"]


def test_the_range_test_prints_a_table_and_two_suggestions(toy, tmp_path, capsys):
    assert (
        run(["check", "learning-rate", *toy, "--exp", str(tmp_path / "exp"), "--updates", "40", "--threads", "1"]) == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "learning rate\tloss\tsmoothed\tblanks"
    assert lines[-3].startswith("steepest descent: ")
    assert lines[-2].startswith("a tenth of the rate at the minimum: ")
    assert not (tmp_path / "exp" / "checkpoints").exists()


def test_overfitting_exits_0_when_it_is_learnt_and_1_with_causes_when_not(toy, tmp_path, capsys):
    check = ["check", "overfit", *toy, "--threads", "1"]
    assert run(check) == 0
    assert "WER 0.00 %" in capsys.readouterr().out
    assert run([*check, "--updates", "20", "--set", "training.learning_rate=1e-8"]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "likely causes: the loss hardly fell" in captured.err
    assert not (tmp_path / "exp").exists()


def test_deterministic_training_says_in_the_log_what_it_costs(toy, tmp_path, capsys):
    options = ["--deterministic", "--set", "training.epochs=1", "--threads", "1"]
    assert run(["train", *toy, "--exp", str(tmp_path / "exp"), *options]) == 0
    assert "no time that could be measured" in capsys.readouterr().err


def test_a_plan_is_made_of_shards_too_and_nothing_is_written(toy, tmp_path, capsys):
    data = tmp_path / "data"
    store = data / "features" / "train"
    assert run(["shard", str(data / "train.jsonl"), "--store", str(store), "--out", str(tmp_path / "shards")]) == 0
    shutil.rmtree(store)
    (data / "train.jsonl").unlink()
    options = ["--shards", str(tmp_path / "shards"), "--exp", str(tmp_path / "exp"), "--threads", "1"]
    assert run(["check", "plan", *toy, *options, "--json", str(tmp_path / "plan.json")]) == 0
    figures = json.loads((tmp_path / "plan.json").read_text())
    assert figures["utterances"] == {"train": 24, "dev": 8}
    assert figures["work"]["updates"] == 18
    assert figures["memory"]["predicted_peak"] >= figures["memory"]["activations"] > 0
    assert "ready to train" in capsys.readouterr().out
    assert not (tmp_path / "exp").exists()


def test_a_plan_of_shards_with_texts_outside_the_units_says_what_to_do(toy, tmp_path, capsys):
    data = tmp_path / "data"
    options = ["--store", str(data / "features" / "train"), "--out", str(tmp_path / "shards")]
    assert run(["shard", str(data / "train.jsonl"), *options]) == 0
    (data / "units.txt").write_text("#units characters\n<blank>\na\nb\n")
    assert run(["check", "plan", *toy, "--shards", str(tmp_path / "shards"), "--exp", str(tmp_path / "exp")]) == 1
    assert "outside the units" in capsys.readouterr().err
