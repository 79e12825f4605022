"""A training goes on only in the order of batches that it began with; an order that changes needs a new number."""

import hashlib
import json

import numpy as np
import pytest
import torch
from tests_shards import shard_config, write_numbered

from asr.batches.plan import SET_ORDER, SHARDS_ORDER, arrange_epoch, require_order
from asr.batches.stream_plan import StreamPlan
from asr.config.sections import BatchingConfig
from asr.errors import CheckpointError
from asr.shards.index import ShardIndex
from asr.shards.writing import write_shards
from asr.training.checkpoint import checkpoint_path, list_checkpoints, load_newest, save_checkpoint
from asr.training.experiment import train_experiment

RAISE_IT = "other batches than before: raise the number of this order in asr/batches/plan.py, and change this"


def digest(*parts):
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


def test_the_order_of_a_set_is_the_one_of_its_number():
    seconds = np.random.default_rng(1).integers(50, 900, size=200) / 100
    names = [f"utt-{number:03d}" for number in range(200)]
    found = []
    for together, epoch in [(1, 0), (1, 1), (2, 3)]:
        settings = BatchingConfig(seconds=40, utterances=7, shortest_first_epochs=1, together=together)
        plan = arrange_epoch(seconds, names, settings, 5, epoch)
        found.append([plan.rows[begin:end].tolist() for begin, end in plan.bounds])
    assert (SET_ORDER, digest(*found)) == ("set 1", "4835b760c8b4f3be"), RAISE_IT


def test_the_order_of_shards_is_the_one_of_its_number(tmp_path):
    write_numbered(tmp_path, [7, 12, 1, 30, 5, 9])
    config, found = shard_config(batching={"seconds": 1.0, "utterances": 4, "shortest_first_epochs": 1}), []
    for epoch in range(3):
        plan = StreamPlan(ShardIndex.open(tmp_path), config, epoch)
        for lane in range(plan.lanes):
            for window in plan.windows(lane):
                numbers = plan.numbers(lane, window.first, len(window.batches)).tolist()
                places = [
                    [[int(window.shards[n]), int(window.records["offset"][n])] for n in b] for b in window.batches
                ]
                found.append([numbers, places])
    assert (SHARDS_ORDER, digest(*found)) == ("shards 2", "41b4dc130215a192"), RAISE_IT


@pytest.mark.parametrize(("found", "wanted"), [(SET_ORDER, SET_ORDER), (SHARDS_ORDER, SHARDS_ORDER)])
def test_the_same_order_goes_on(tmp_path, found, wanted):
    require_order(found, wanted, tmp_path)


@pytest.mark.parametrize("found", ["shards 1", "shards 3", SET_ORDER, ""])
def test_another_order_is_refused_by_file_reason_and_remedy(tmp_path, found):
    with pytest.raises(CheckpointError) as caught:
        require_order(found, SHARDS_ORDER, tmp_path / "step-00000007.pt")
    assert caught.value.subject == str(tmp_path / "step-00000007.pt")
    assert SHARDS_ORDER in caught.value.reason
    assert "--exp" in caught.value.remedy


def train(data, experiment, config, **options):
    return train_experiment(config, data, experiment, device="cpu", threads=1, **options)


def rewrite(experiment, change):
    """Change all checkpoints as another version might have written them."""
    folder = experiment / "checkpoints"
    for path in list_checkpoints(folder):
        state = torch.load(path, weights_only=True)
        change(state)
        save_checkpoint(folder, state["progress"]["step"], state, keep=9)


def test_a_sharded_training_in_another_order_is_refused_and_left_as_it_is(toy_data, tmp_path):
    write_shards(toy_data / "train.jsonl", toy_data / "shards" / "train", store=toy_data / "features" / "train")
    (toy_data / "train.jsonl").unlink()
    experiment = tmp_path / "exp"
    train(toy_data, experiment, shard_config(), stop_after=1)
    assert load_newest(experiment / "checkpoints")["order"] == SHARDS_ORDER
    rewrite(experiment, lambda state: state.update(order="shards 1"))
    before = {path: path.read_bytes() for path in list_checkpoints(experiment / "checkpoints")}
    newest = checkpoint_path(experiment / "checkpoints", load_newest(experiment / "checkpoints")["progress"]["step"])
    with pytest.raises(CheckpointError, match=r"order 'shards 2'") as caught:
        train(toy_data, experiment, shard_config(), resume=True)
    assert caught.value.subject == str(newest)
    assert {path: path.read_bytes() for path in list_checkpoints(experiment / "checkpoints")} == before


def test_a_training_from_a_store_does_not_go_on_from_shards(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp", shard_config(), stop_after=1)
    write_shards(toy_data / "train.jsonl", toy_data / "shards" / "train", store=toy_data / "features" / "train")
    (toy_data / "train.jsonl").unlink()
    with pytest.raises(CheckpointError, match="was trained on other data"):
        train(toy_data, tmp_path / "exp", shard_config(), resume=True)
