"""Several processes: the same updates, each utterance once, one that writes, and no process left waiting."""

import itertools
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tests_processes import together
from tests_ranks import (
    exchange,
    judge,
    speak,
    threads_left_behind,
    threads_left_by_an_error,
    train_on_own_data,
    train_toy,
    train_with_a_fault_on_rank_one,
    train_with_nan_on_rank_one,
)
from tests_toy import toy_config, write_set

from asr.batches.examples import Examples
from asr.batches.stored import StoredSource
from asr.corpus.manifest import load_manifest
from asr.errors import TrainingError
from asr.features.normalisation import Normaliser
from asr.features.store import FeatureStore
from asr.model.directory import build_model
from asr.training.checkpoint import list_checkpoints
from asr.training.experiment import train_experiment
from asr.training.processes.world import World, check_batches, device_of, joined, world_of
from asr.training.validation import validate
from asr.units import Units

WEIGHTS = "model/model.safetensors"


def alone(data, experiment, config, **options):
    return train_experiment(config, data, experiment, device="cpu", threads=1, **options)


def records(experiment, kind):
    lines = (experiment / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def names(seen):
    return sorted(name for update in seen for batch in update for name in batch)


@pytest.mark.slow
def test_fifty_updates_of_two_processes_have_the_losses_of_one(toy_data, tmp_path):
    """Three batches an update do not divide by two; dropout and augmentation are on."""
    config = toy_config(batching={"utterances": 1}, training={"accumulate": 3, "epochs": 7, "log_steps": 1})
    alone(toy_data, tmp_path / "one", config)
    first, second = together(2, train_toy, toy_data, tmp_path / "two", config)
    expected, found = (records(tmp_path / name, "train") for name in ("one", "two"))
    assert len(expected) == len(found) == 56
    for one, two in zip(expected, found, strict=True):
        assert two["loss"] == pytest.approx(one["loss"], abs=1e-5)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], abs=1e-3)
        assert two["blank_rate"] == pytest.approx(one["blank_rate"], abs=1e-3)
        assert 0 < two["waiting_for_processes"] <= 1
    assert first[1] == second[1], "the processes' weights must stay equal to the bit"
    assert first[3] == second[3]
    one, two = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    for name, weights in one.items():
        torch.testing.assert_close(two[name], weights, rtol=0, atol=1e-3)


@pytest.mark.slow
def test_every_utterance_is_seen_once_an_epoch_also_when_a_process_has_nothing_to_do(toy_data, tmp_path):
    """Five batches, three an update, three processes: the second update of an epoch leaves one idle."""
    config = toy_config(batching={"utterances": 5}, training={"accumulate": 3, "epochs": 2, "log_steps": 1})
    alone(toy_data, tmp_path / "one", config)
    results = together(3, train_toy, toy_data, tmp_path / "three", config)
    every = sorted(utterance.id for utterance in load_manifest(toy_data / "train.jsonl"))
    seen = [result[0] for result in results]
    for epoch in range(2):
        parts = [names(updates[2 * epoch : 2 * epoch + 2]) for updates in seen]
        assert sorted(itertools.chain(*parts)) == every
    assert [[len(updates[number]) for updates in seen] for number in (1, 3)] == [[1, 1, 0], [1, 1, 0]]
    expected, found = (records(tmp_path / name, "train") for name in ("one", "three"))
    for one, three in zip(expected, found, strict=True):
        assert three["loss"] == pytest.approx(one["loss"], abs=1e-5)


@pytest.mark.slow
def test_two_batches_on_two_processes_give_the_bits_of_one_also_across_resumes_with_more_or_fewer(toy_data, tmp_path):
    """A sum of two does not depend on the order, so nothing may differ at all.

    Rank 1 is told an experiment folder of its own, as if the machines shared none: it must never come to be.
    """
    config = toy_config(training={"accumulate": 2})
    alone(toy_data, tmp_path / "one", config)
    mixed = tmp_path / "mixed"
    together(2, train_toy, toy_data, mixed, config, stop_after=1)
    alone(toy_data, mixed, config, resume=True, stop_after=2)
    first, second = together(2, train_toy, toy_data, mixed, config, resume=True)
    assert "resumed at epoch 3, update 6" in first[2]
    assert len(first[0]) == len(second[0]) == 3
    assert (mixed / WEIGHTS).read_bytes() == (tmp_path / "one" / WEIGHTS).read_bytes()
    assert records(mixed, "dev") == records(tmp_path / "one", "dev")
    assert not list(tmp_path.glob("mixed-of-rank-*"))


@pytest.mark.slow
def test_a_loss_that_is_not_finite_on_one_process_is_skipped_by_all_and_named_once(toy_data, tmp_path):
    config = toy_config(training={"accumulate": 2})
    first, second = together(2, train_with_nan_on_rank_one, toy_data, tmp_path / "exp", config)
    (skipped,) = records(tmp_path / "exp", "skipped")
    assert skipped["step"] == 2
    assert sorted(skipped["utterances"]) == names([first[0][1], second[0][1]])
    assert any("update 2 skipped: loss nan" in message for message in first[2])
    assert not any("skipped" in message for message in second[2])
    assert first[1] == second[1]


@pytest.mark.slow
def test_a_fault_of_one_process_ends_the_others_with_a_word_on_where_to_look(toy_data, tmp_path):
    config = toy_config(training={"accumulate": 2, "save_steps": 1})
    first, second = together(2, train_with_a_fault_on_rank_one, toy_data, tmp_path / "exp", config)
    assert isinstance(second, ValueError)
    assert isinstance(first, TrainingError)
    assert "rank 0: lost contact with another process" in str(first)
    assert list_checkpoints(tmp_path / "exp" / "checkpoints")[-1].stem == "step-00000002"


@pytest.mark.slow
def test_processes_that_read_other_data_refuse_to_train_together(toy_data, tmp_path):
    write_set(tmp_path / "other", "train", 20, toy_config(), seed=3)
    write_set(tmp_path / "other", "dev", 8, toy_config(), seed=2)
    (tmp_path / "other" / "units.txt").write_bytes((toy_data / "units.txt").read_bytes())
    folders, config = [toy_data, tmp_path / "other"], toy_config(training={"accumulate": 2})
    for error in together(2, train_on_own_data, folders, tmp_path / "exp", config):
        assert isinstance(error, TrainingError)
        assert "rank 1: has other settings, units or utterances than rank 0" in str(error)


@pytest.mark.slow
def test_an_update_with_fewer_batches_than_processes_is_refused_with_the_setting_to_change(toy_data, tmp_path):
    for error in together(2, train_toy, toy_data, tmp_path / "exp", toy_config()):
        assert str(error).startswith("training.accumulate: makes an update of 1 batch(es), too few for 2 processes")


@pytest.mark.parametrize(("batches", "processes"), [(1, 1), (2, 2), (3, 2), (64, 8)])
def test_enough_batches_for_all_are_accepted(batches, processes):
    check_batches(batches, processes)


@pytest.mark.slow
def test_judging_together_gives_one_process_s_result_to_the_bit(toy_data):
    """The set has three batches, one text outside the units, and a model that errs."""
    write_set(toy_data, "many", 40, toy_config(), seed=5)
    utterances = load_manifest(toy_data / "many.jsonl")
    units = Units.load(toy_data / "units.txt")
    source = StoredSource(utterances, FeatureStore.open(toy_data / "features" / "many"), Normaliser("utterance"))
    spoken = [replace(utterances[0], text="outside the units"), *utterances[1:]]
    examples = Examples(spoken, source, units, toy_config(), training=False)
    assert examples.rows.target(spoken[0].id) is None
    torch.manual_seed(3)
    model = build_model(toy_config(), units)
    expected = validate(model, examples, units, torch.device("cpu"))
    assert expected.wer > 0
    assert together(2, judge, model, examples, units) == [expected, expected]
    assert together(4, judge, model, examples, units) == [expected] * 4, "one more process than batches"


@pytest.mark.slow
def test_what_processes_tell_each_other():
    first, second = together(2, exchange)
    for found in (first, second):
        assert found["sums"] == [[[11.0] * 3] * 2, 1.0, [0.0, 1.0, 2.0, 3.0]]
        assert found["gathered"] == [(0, "text"), (1, "text")]
        assert found["aligned"] == 7.0
        assert found["once"] == (0, [1.0, 1.0])
        assert found["traffic"] == (1, 4 * (6 + 1 + 4), True)
    assert (first["writes"], second["writes"]) == (True, False)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux shows them")
@pytest.mark.slow
def test_a_process_that_left_its_world_keeps_no_threads_of_it():
    """One that lived on could abort the process at its very end, after a complete training."""
    assert together(2, threads_left_behind) == [[], []]


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="threads are counted as Linux shows them")
@pytest.mark.parametrize(
    ("kind", "errors"),
    [
        ("both", ["TrainingError", "TrainingError"]),
        ("one", ["TrainingError", "ValueError"]),
        ("interrupt", ["TrainingError", "KeyboardInterrupt"]),
    ],
)
@pytest.mark.slow
def test_a_process_that_left_its_world_by_an_error_keeps_no_threads_of_it_either(kind, errors):
    """One that lived on could put an abort in the place of the exit code, and its message after the error's own."""
    assert together(2, threads_left_by_an_error, kind) == [(error, []) for error in errors]


def test_a_world_of_one_says_everything_to_itself():
    world, tensor = World(), torch.arange(3.0)
    world.add([tensor])
    world.align([tensor])
    world.require_equal("anything", "value")
    assert tensor.tolist() == [0.0, 1.0, 2.0]
    assert world.gather("mine") == ["mine"]
    assert world.once(lambda: 5) == 5
    assert world.traffic.sums == 0


def test_only_the_first_process_logs_events_and_the_others_warn_with_their_rank():
    first, second = together(2, speak)
    assert first == ["2 processes, this one on cpu", "an event of some", "a worry of some", "after"]
    assert second == ["rank 1: a worry of some", "after"]


def test_without_torchrun_a_process_is_alone():
    assert world_of({}) == World()
    assert world_of({"RANK": "3"}) == World(), "a variable of another program"
    with joined("cpu") as (world, device):
        assert (world.size, device.type) == (1, "cpu")


def test_what_torchrun_says_is_understood():
    environment = {"RANK": "3", "WORLD_SIZE": "8", "TORCHELASTIC_RESTART_COUNT": "2", "TORCHELASTIC_RUN_ID": "job"}
    world = world_of(environment)
    assert (world.rank, world.size, world.restarts, world.job, world.leads) == (3, 8, 2, "job", False)
    assert world_of({"RANK": "0", "WORLD_SIZE": "2"}).job == "none"


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


@pytest.mark.parametrize("wanted", [None, "cuda"])
def test_each_process_takes_the_gpu_of_its_place_on_the_machine(two_gpus, wanted):
    assert [device_of(wanted, size=4, local_rank=rank) for rank in (0, 1)] == [
        torch.device(f"cuda:{n}") for n in (0, 1)
    ]
    assert device_of("cpu", size=4, local_rank=1) == torch.device("cpu")


def test_one_gpu_for_several_processes_is_refused(two_gpus):
    with pytest.raises(TrainingError, match="cuda:1: is one GPU for 2 processes; say --device cuda"):
        device_of("cuda:1", size=2, local_rank=0)
    assert device_of("cuda:1", size=1, local_rank=0) == torch.device("cuda:1")


def test_more_processes_than_gpus_are_refused(two_gpus):
    with pytest.raises(TrainingError, match=r"local rank 2: has no GPU of its own: this machine has 2.*nproc-per-node"):
        device_of(None, size=3, local_rank=2)


@pytest.mark.gpu
@pytest.mark.skipif(torch.cuda.device_count() < 2, reason="needs two GPUs")
def test_two_gpus_over_nccl_have_the_losses_of_one(toy_data, tmp_path):
    """Never run yet: no machine with two GPUs was at hand."""
    config = toy_config(batching={"utterances": 2}, training={"accumulate": 3, "epochs": 13, "log_steps": 1})
    alone_on_gpu = train_experiment(config, toy_data, tmp_path / "one", device="cuda:0", threads=1)
    first, second = together(2, train_toy, toy_data, tmp_path / "two", config, "cuda")
    assert first[1] == second[1], "the processes' weights must stay equal to the bit"
    assert first[3].wer == pytest.approx(alone_on_gpu.dev.wer, abs=10)
    expected, found = (records(tmp_path / name, "train") for name in ("one", "two"))
    # Sums on the GPU are not ordered, and training carries the difference on.
    assert [two["loss"] for two in found[:10]] == pytest.approx([one["loss"] for one in expected[:10]], abs=1e-3)
