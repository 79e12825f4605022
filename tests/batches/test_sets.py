"""Training from shards: it learns, stops and resumes to the bit, and does the same on any number of processes."""

import itertools
import json

import pytest
from safetensors.torch import load_file
from tests_processes import together
from tests_ranks import train_toy
from tests_toy import toy_config

from asr.batches.sets import shards_of
from asr.config.experiment import ExperimentConfig
from asr.corpus.manifest import load_manifest, write_manifest
from asr.errors import CheckpointError, CorpusError, TrainingError
from asr.shards.index import ShardIndex
from asr.shards.writing import write_shards
from asr.training.checks.plan import plan_training
from asr.training.experiment import train_experiment
from asr.training.trainer import Trainer

WEIGHTS = "model/model.safetensors"


def config_with(**sections):
    shards = sections.pop("shards", {})
    tree = toy_config(**sections).model_dump()
    tree["shards"] = {"lanes": 2, "window_utterances": 8, **shards}
    return ExperimentConfig.model_validate(tree)


@pytest.fixture
def sharded(toy_data):
    """The toy data with its training set in five shards instead of manifest and store."""
    write_shards(
        toy_data / "train.jsonl", toy_data / "shards" / "train", store=toy_data / "features" / "train", utterances=5
    )
    (toy_data / "train.jsonl").rename(toy_data / "all.jsonl")
    return toy_data


def train(data, experiment, config=None, **options):
    return train_experiment(config or config_with(), data, experiment, device="cpu", threads=1, **options)


def weights(experiment):
    return (experiment / WEIGHTS).read_bytes()


def test_it_learns_the_toy_language_and_says_from_what(sharded, tmp_path):
    summary = train(sharded, tmp_path / "exp", config_with(training={"epochs": 12}))
    assert summary.dev.wer < 10
    card = (tmp_path / "exp" / "model" / "card.md").read_text()
    assert "24 utterances, 0.00 h, 1 speakers" in card


def test_loading_processes_and_the_place_of_the_shards_change_nothing(sharded, tmp_path):
    train(sharded, tmp_path / "here")
    elsewhere = (sharded / "shards" / "train").rename(tmp_path / "elsewhere")
    config = config_with(training={"workers": 2}, shards={"location": str(elsewhere)})
    train(sharded, tmp_path / "there", config)
    assert weights(tmp_path / "here") == weights(tmp_path / "there")


@pytest.mark.parametrize("last_update", [1, 5, 9, 17])
def test_a_stop_at_any_update_and_a_resume_end_in_the_same_bits(sharded, tmp_path, monkeypatch, last_update):
    config = config_with(training={"save_steps": 1})
    train(sharded, tmp_path / "straight", config)
    update, calls = Trainer._update, itertools.count(1)

    def stopping(self, *arguments):
        update(self, *arguments)
        if next(calls) == last_update:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", stopping)
        with pytest.raises(KeyboardInterrupt):
            train(sharded, tmp_path / "stopped", config)
    train(sharded, tmp_path / "stopped", config_with(training={"save_steps": 1, "workers": 1}), resume=True)
    assert weights(tmp_path / "stopped") == weights(tmp_path / "straight")


def test_several_processes_do_what_one_does(sharded, tmp_path):
    config = config_with(training={"accumulate": 2, "log_steps": 1})
    train(sharded, tmp_path / "one", config)
    results = together(2, train_toy, sharded, tmp_path / "two", config)
    losses = [
        [
            line["loss"]
            for line in map(json.loads, (tmp_path / name / "metrics.jsonl").open())
            if line["kind"] == "train"
        ]
        for name in ("one", "two")
    ]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    assert all((one[name] - two[name]).abs().max() < 1e-3 for name in one)
    first, second = (result[0] for result in results)
    each_epoch = len(first) // config.training.epochs
    for epoch in range(config.training.epochs):
        part = slice(epoch * each_epoch, (epoch + 1) * each_epoch)
        seen = [
            name for updates in (first[part], second[part]) for update in updates for batch in update for name in batch
        ]
        assert sorted(seen) == sorted(utterance.id for utterance in load_manifest(sharded / "all.jsonl"))


def test_resuming_with_another_window_is_refused(sharded, tmp_path):
    train(sharded, tmp_path / "exp", stop_after=1)
    with pytest.raises(CheckpointError, match=r"shards\.window_utterances"):
        train(sharded, tmp_path / "exp", config_with(shards={"window_utterances": 9}), resume=True)


def test_where_the_training_set_is(toy_data, tmp_path):
    config = config_with()
    assert shards_of(config, toy_data) is None
    write_shards(toy_data / "train.jsonl", toy_data / "shards" / "train", store=toy_data / "features" / "train")
    assert shards_of(config, toy_data) is None, "a manifest beside the shards is what was trained on so far"
    assert shards_of(config_with(shards={"location": "s3://x/y"}), toy_data) == "s3://x/y"
    (toy_data / "train.jsonl").unlink()
    assert shards_of(config, toy_data) == str(toy_data / "shards" / "train")
    assert shards_of(config, tmp_path / "nowhere") is None


def test_utterances_shared_with_the_dev_set_are_refused(sharded, tmp_path):
    index = ShardIndex.open(sharded / "shards" / "train")
    assert len(index) == 24
    stolen = load_manifest(sharded / "all.jsonl")[:2]
    write_manifest(sharded / "dev.jsonl", stolen)
    from asr.features.store import FeatureStore, FeatureStoreWriter

    store = FeatureStore.open(sharded / "features" / "train")
    with FeatureStoreWriter(sharded / "features" / "dev", store.bins, "float32", store.config) as writer:
        for utterance in stolen:
            writer.append(utterance.id, store[utterance.id])
    with pytest.raises(TrainingError, match="train-000: and 1 more are in train and in dev"):
        train(sharded, tmp_path / "exp")


def test_a_shard_damaged_in_the_middle_of_training_stops_it_with_its_name_also_in_a_worker(sharded, tmp_path):
    shard = sharded / "shards" / "train" / "shard-000003.tar"
    data = bytearray(shard.read_bytes())
    data[3000] ^= 1
    shard.write_bytes(data)
    for workers in (0, 1):
        with pytest.raises(CorpusError, match=r"shard-000003\.tar, byte \d+: 'train-\d+' is damaged"):
            train(sharded, tmp_path / f"exp{workers}", config_with(training={"workers": workers}))


def test_what_training_will_need_is_told_of_shards_too(sharded, tmp_path):
    plan = plan_training(config_with(training={"epochs": 1}), sharded, tmp_path / "exp", device="cpu", threads=1)
    assert plan.utterances == (24, 8)
    assert plan.measured is not None
    assert plan.work.steps == train(sharded, tmp_path / "exp", config_with(training={"epochs": 1})).updates
