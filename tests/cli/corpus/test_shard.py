"""`asr shard` from the command line: what it prints and how it exits."""

import pytest
from tests_toy import write_toy_data

from asr.__main__ import run
from asr.config.experiment import save_config
from asr.shards.index import INDEX


@pytest.fixture
def data(tmp_path):
    return write_toy_data(tmp_path / "data")


def shard(data, *more):
    command = ["shard", str(data / "train.jsonl"), "--store", str(data / "features" / "train")]
    return run([*command, "--out", str(data / "out"), *more])


def test_writes_verifies_and_indexes(data, capsys):
    assert shard(data, "--shard-utterances", "10") == 0
    assert f"{data / 'out'}: 24 utterances, 0.00 h, 3 shards" in capsys.readouterr().out
    assert run(["shard", "--verify", str(data / "out"), "--units", str(data / "units.txt")]) == 0
    assert "0 faults" in capsys.readouterr().out
    (data / "out" / INDEX).unlink()
    assert run(["shard", "--verify", str(data / "out")]) == 1
    assert "index.json: does not exist" in capsys.readouterr().err
    from tests_toy import toy_config

    save_config(toy_config(), data / "c.yaml")
    assert run(["shard", "--index", str(data / "out"), "--config", str(data / "c.yaml")]) == 0
    assert run(["shard", "--verify", str(data / "out")]) == 0


def test_faults_are_listed_and_exit_with_one(data, capsys):
    shard(data, "--shard-utterances", "10")
    tar = data / "out" / "shard-000001.tar"
    tar.write_bytes(tar.read_bytes()[:4000])
    assert run(["shard", "--verify", str(data / "out")]) == 1
    listed = capsys.readouterr().out.splitlines()
    assert "shard-000001.tar: is cut at byte 4000" in listed[-2]
    assert listed[-1].endswith("1 faults")


@pytest.mark.parametrize(
    "command",
    [
        ["shard"],
        ["shard", "m.jsonl", "--verify", "x"],
        ["shard", "m.jsonl", "--store", "x"],
        ["shard", "m.jsonl", "--out", "x"],
        ["shard", "m.jsonl", "--out", "x", "--audio", "mp3"],
        ["shard", "m.jsonl", "--out", "x", "--audio", "flac", "--store", "y"],
        ["shard", "m.jsonl", "--out", "x", "--audio", "flac", "--shard-utterances", "0"],
    ],
)
def test_what_makes_no_sense_is_a_usage_error(command, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert run(command) == 2
    assert "Traceback" not in capsys.readouterr().err


def test_a_folder_with_files_is_never_replaced(data, capsys):
    assert run(["shard", str(data / "train.jsonl"), "--audio", "flac", "--out", str(data)]) == 2
    assert "exists and is not empty" in capsys.readouterr().err
    assert (data / "train.jsonl").exists()


def test_training_from_the_command_line(data, capsys, tmp_path):
    from tests_toy import toy_config

    shard(data)
    save_config(toy_config(training={"epochs": 1}), data / "c.yaml")
    (data / "train.jsonl").unlink()
    command = ["train", "--data", str(data), "--config", str(data / "c.yaml"), "--threads", "1", "--device", "cpu"]
    assert run([*command, "--exp", str(tmp_path / "exp"), "--shards", str(data / "out")]) == 0
    assert "1 epochs" in capsys.readouterr().out
    assert run([*command, "--exp", str(tmp_path / "exp2"), "--shards", str(data / "none")]) == 1
    assert "index.json: does not exist; write the shards with 'asr shard'" in capsys.readouterr().err
