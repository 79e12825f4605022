"""What a training was expected to cost and what it did cost stand side by side in its log."""

import json
import subprocess
import sys

import pytest
import torch
from tests_toy import toy_config

from asr.batches.examples import Batch
from asr.batches.plan import EpochPlan
from asr.config.experiment import save_config
from asr.model.directory import build_model
from asr.training import ledger as ledger_module
from asr.training.checkpoint import disk_of
from asr.training.cost.memory import expected_peak
from asr.training.experiment import train_experiment
from asr.training.ledger import Cost, Ledger, compare_costs
from asr.training.processes.share import Share
from asr.units import BLANK_SYMBOL, Units

CPU = torch.device("cpu")


def train(data, experiment, config=None, **options):
    return train_experiment(config or toy_config(), data, experiment, device="cpu", threads=1, **options)


def records(experiment, kind):
    lines = (experiment / "metrics.jsonl").read_text().splitlines()
    return [record for record in map(json.loads, lines) if record["kind"] == kind]


def train_alone(data, experiment, folder, *more):
    """In a process of its own: the peak of this one is that of the tests before."""
    save_config(toy_config(), folder / "toy.yaml")
    arguments = [
        "--config",
        folder / "toy.yaml",
        "--data",
        data,
        "--exp",
        experiment,
        "--device",
        "cpu",
        "--threads",
        "1",
    ]
    subprocess.run([sys.executable, "-m", "asr", "train", *map(str, arguments), *more], check=True, capture_output=True)


def test_a_training_ends_with_plan_and_fact(toy_data, tmp_path):
    train_alone(toy_data, tmp_path / "exp", tmp_path)
    (plan,), (fact,) = records(tmp_path / "exp", "plan"), records(tmp_path / "exp", "fact")
    assert plan["updates"] == fact["updates"] == 18
    assert plan["disk"] == pytest.approx(fact["disk"], rel=0.03)
    on_disk = sum(path.stat().st_size for path in (tmp_path / "exp" / "checkpoints").iterdir())
    assert fact["disk"] == on_disk
    assert plan["memory"] == pytest.approx(fact["memory"], rel=0.25), "on a CPU, the program included"
    train_alone(toy_data, tmp_path / "other", tmp_path, "--plan", "--json", str(tmp_path / "plan.json"))
    foretold = json.loads((tmp_path / "plan.json").read_text())["memory"]["predicted_peak"]
    assert foretold == pytest.approx(fact["memory"], rel=0.25), "before anything was trained"
    assert plan["epoch_seconds"] > 0
    assert fact["epoch_seconds"] > 0
    log = (tmp_path / "exp" / "train.log").read_text()
    assert log.count("plan and fact: updates 18, was 18; ") == 1


def test_the_longest_batch_decides_on_the_memory_once_it_was_rehearsed():
    config = toy_config()
    model = build_model(config, Units("characters", [BLANK_SYMBOL, *"abcd"]))

    class Planned:
        def plan(self, epoch):
            return EpochPlan([["id"]], 4.0, 0.2, [5.0])

    ledger = Ledger(config, model, Planned(), CPU, lambda: 1)
    estimated = ledger._expect_memory(5.0)
    ledger.base, ledger.need = 10**9, 10**8
    assert ledger._expect_memory(5.0) == expected_peak(10**9, 10**8, CPU) > 11 * 10**8
    assert expected_peak(10**9, 10**8, "cuda") == 11 * 10**8, "a GPU's allocator uses again what was freed"
    assert estimated > ledger.memory.begin


def test_the_whole_run_is_planned_also_where_it_is_done_in_parts(toy_data, tmp_path):
    config = toy_config(training={"epochs": 4, "average": 4})
    train(toy_data, tmp_path / "exp", config, stop_after=2)
    train(toy_data, tmp_path / "exp", config, resume=True)
    plans, facts = records(tmp_path / "exp", "plan"), records(tmp_path / "exp", "fact")
    assert [record["updates"] for record in plans] == [24, 24]
    assert [record["updates"] for record in facts] == [12, 24]


def test_nothing_is_told_where_nothing_was_done(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp")
    train(toy_data, tmp_path / "exp", resume=True)
    assert len(records(tmp_path / "exp", "fact")) == 1


def test_watching_changes_no_weight(toy_data, tmp_path, monkeypatch):
    train(toy_data, tmp_path / "watched")
    monkeypatch.setattr(Ledger, "observe", lambda self, share, seconds: None)
    train(toy_data, tmp_path / "unwatched")
    first, second = ((tmp_path / name / "model/model.safetensors").read_bytes() for name in ("watched", "unwatched"))
    assert first == second
    assert not records(tmp_path / "unwatched", "plan")


class Planned:
    """Ten updates of five seconds in each epoch."""

    def plan(self, epoch):
        return EpochPlan([["id"]] * 10, 40.0, 0.2, [5.0] * 10)


def share(seconds):
    frames = round(seconds * 100)
    return Share([Batch(["id"], torch.zeros(1, frames, 8), torch.tensor([frames]), [[1]], seconds)], [1], 1, 1)


@pytest.fixture
def make_ledger():
    config = toy_config(training={"epochs": 3, "average": 2})
    model = build_model(config, Units("characters", [BLANK_SYMBOL, "a"]))
    return lambda **options: Ledger(config, model, Planned(), CPU, lambda: 1000, **options)


def test_the_expectation_is_the_line_through_the_first_updates(make_ledger, monkeypatch):
    """An update of s seconds takes 0.1 + 0.02 s here, but the first, which also loads and compiles, takes 9."""
    monkeypatch.setattr(ledger_module, "FIRST_UPDATES", 5)
    ledger = make_ledger()
    ledger.begin_epoch(0)
    for seconds in (1.0, 2.0, 3.0, 4.0):
        ledger.observe(share(seconds), 9.0 if seconds == 1.0 else 0.1 + 0.02 * seconds)
        assert ledger.expected is None
    ledger.observe(share(6.0), 0.1 + 0.02 * 6)
    assert ledger.expected.epoch_seconds == pytest.approx(10 * 0.1 + 0.02 * 50)
    assert ledger.expected.updates == 30
    ledger.observe(share(6.0), 500.0)
    assert ledger.expected.epoch_seconds == pytest.approx(2.0), "it stands"


def test_with_several_processes_each_has_its_share_of_the_audio(make_ledger):
    ledger = make_ledger(processes=2)
    for seconds in (1.0, 2.0, 4.0):
        ledger.observe(share(seconds), 0.1 + 0.02 * seconds)
    ledger.finish_epoch()
    assert ledger.expected.epoch_seconds == pytest.approx(10 * 0.1 + 0.02 * 25)


def test_an_epoch_entered_in_the_middle_is_not_timed(make_ledger, tmp_path):
    ledger = make_ledger()
    ledger.begin_epoch(position=7)
    ledger.observe(share(1.0), 3.0)
    ledger.finish_epoch()
    assert ledger.fact(3, tmp_path).epoch_seconds == 0
    ledger.begin_epoch(position=0)
    for _ in range(10):
        ledger.observe(share(1.0), 0.5)
    ledger.finish_epoch()
    assert ledger.fact(13, tmp_path).epoch_seconds == pytest.approx(5.0)


def test_a_process_without_a_batch_learns_nothing_of_time(make_ledger):
    ledger = make_ledger()
    ledger.begin_epoch(0)
    ledger.observe(Share([], [], 4, 1), 0.5)
    ledger.finish_epoch()
    assert ledger.expected is None


def test_disk_is_what_is_kept(make_ledger):
    config = toy_config(training={"epochs": 3, "average": 9, "keep": 4})
    model = make_ledger().model
    weights = 4 * sum(tensor.numel() for tensor in model.state_dict().values())
    assert disk_of(config, model, 1000) == 4 * 1000 + 3 * weights, "no more epochs than there are can be averaged"


def test_the_line_of_the_log():
    line = compare_costs(Cost(100, 60.0, 500_000_000, 30_000_000), Cost(90, 66.6, 612_000_000, 30_100_000))
    assert line == (
        "plan and fact: updates 100, was 90; updates of an epoch 60.0 s, was 66.6 s; memory 500 MB, was 612 MB; "
        "checkpoints 30.00 MB, was 30.10 MB"
    )
