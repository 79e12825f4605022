"""`asr check plan`: what training will need, before it starts, and a refusal where it would fail."""

import json
from dataclasses import replace

import pytest
from tests_toy import toy_config, write_toy_data

from asr.batches.plan import EpochPlan
from asr.config.experiment import save_config
from asr.corpus.manifest import load_manifest, write_manifest
from asr.errors import AsrError, FeatureError
from asr.model.directory import build_model
from asr.training.checks import plan as plan_module
from asr.training.checks.plan import choose_updates, count_parameters, plan_training
from asr.training.checks.plan_report import duration, plan_figures, plan_text, size, write_figures
from asr.training.experiment import train_experiment
from asr.units import BLANK_SYMBOL, Units


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return write_toy_data(tmp_path_factory.mktemp("plan") / "data")


@pytest.fixture(scope="module")
def plan(data, tmp_path_factory):
    return plan_training(toy_config(), data, tmp_path_factory.mktemp("plan") / "exp", device="cpu", threads=1)


def spoil(data, index=0, **changes):
    utterances = load_manifest(data / "train.jsonl")
    utterances[index] = replace(utterances[index], **changes)
    write_manifest(data / "train.jsonl", utterances)
    return utterances[index].id


def test_the_plan_holds_what_training_then_does(plan, data, tmp_path):
    summary = train_experiment(toy_config(), data, tmp_path / "exp", device="cpu", threads=1)
    assert plan.work.steps == summary.updates
    taken = [path for folder in ("checkpoints", "model") for path in (tmp_path / "exp" / folder).iterdir()]
    assert plan.disk == pytest.approx(sum(path.stat().st_size for path in taken), rel=0.03)
    assert plan.expected_memory >= plan.measured.base


def test_it_measures_updates_from_the_shortest_to_the_longest(plan):
    assert plan.measured.batches == sorted(plan.measured.batches)
    assert plan.measured.batches[-1] == pytest.approx(plan.work.largest, rel=0.3)  # of one epoch; largest is of all
    assert plan.measured.peak >= plan.measured.base > 0
    assert plan.total_seconds == pytest.approx(plan.epochs * plan.epoch_seconds)
    updates = plan.measured.times.seconds(plan.work.steps, sum(plan.work.padded))
    assert plan.total_seconds > updates > 0


def test_it_writes_nothing_where_the_experiment_will_be(data, tmp_path):
    plan_training(toy_config(), data, tmp_path / "exp", device="cpu", threads=1)
    assert list(tmp_path.iterdir()) == []


def test_it_leaves_the_checkpoints_of_a_training_alone(data, tmp_path):
    train_experiment(toy_config(), data, tmp_path / "exp", device="cpu", threads=1, stop_after=1)
    before = {path: path.read_bytes() for path in (tmp_path / "exp").rglob("*") if path.is_file()}
    plan_training(toy_config(), data, tmp_path / "exp", device="cpu", threads=1)
    assert {path: path.read_bytes() for path in (tmp_path / "exp").rglob("*") if path.is_file()} == before


def test_bad_utterances_are_listed_and_the_others_measured(toy_data, tmp_path):
    long = spoil(toy_data, 3, text="abcd" * 40)
    foreign = spoil(toy_data, 5, text="ab?")
    plan = plan_training(toy_config(), toy_data, tmp_path, device="cpu", threads=1)
    assert plan.targets.unusable == {long, foreign}
    assert plan.obstacles == ["2 errors in the data, listed above"]
    assert plan.measured is not None
    text = plan_text(plan)
    assert f"error: too short: {long}: " in text
    assert f"error: characters: {foreign}: '?' outside the units" in text
    assert "outside the units of the training texts: '?' 1" in text
    assert text.splitlines()[-1] == "cannot train: 2 errors in the data, listed above"


def test_where_no_utterance_is_left_nothing_is_measured(toy_data, tmp_path):
    spoilt = [replace(each, text="???") for each in load_manifest(toy_data / "train.jsonl")]
    write_manifest(toy_data / "train.jsonl", spoilt)
    plan = plan_training(toy_config(), toy_data, tmp_path, device="cpu", threads=1)
    assert (plan.work, plan.measured, plan.total_seconds) == (None, None, 0.0)
    assert "none: no utterance can be used" in plan_text(plan)
    assert "seconds" not in plan_figures(plan)


def test_a_full_disk_and_a_small_memory_are_obstacles(plan):
    crowded = replace(plan, free=plan.disk - 1)
    assert "lower training.average, or use another --exp" in crowded.obstacles[0]
    small = replace(plan, limit=plan.measured.base - 1)
    assert "lower batching.seconds or model.hidden" in small.obstacles[0]
    assert plan.obstacles == []


def test_what_cannot_fit_is_not_tried(data, tmp_path, monkeypatch):
    """Measuring would end the process without a word."""
    monkeypatch.setattr(plan_module, "memory_limit", lambda device: 1000)
    plan = plan_training(toy_config(), data, tmp_path, device="cpu", threads=1)
    assert plan.measured is None
    assert len(plan.obstacles) == 1
    assert "not measured" in plan_text(plan)


@pytest.mark.parametrize(
    ("spoil_it", "kind"),
    [
        (lambda data: (data / "units.txt").unlink(), AsrError),
        (lambda data: (data / "dev.jsonl").unlink(), AsrError),
        (lambda data: (data / "features" / "train" / "complete.json").unlink(), FeatureError),
    ],
    ids=["units", "manifest", "features"],
)
def test_a_folder_that_cannot_be_read_is_an_error_as_in_training(toy_data, tmp_path, spoil_it, kind):
    spoil_it(toy_data)
    with pytest.raises(kind):
        plan_training(toy_config(), toy_data, tmp_path, device="cpu", threads=1)


def test_parameters_of_the_parts_add_up(plan):
    model = build_model(toy_config(model={"layers": 3}), Units("characters", [BLANK_SYMBOL, "a"]))
    counts = count_parameters(model)
    assert list(counts) == ["front end", "LSTM layer 1", "LSTM layer 2", "LSTM layer 3", "output"]
    assert sum(counts.values()) == model.parameter_count()
    assert counts["output"] == 2 * (2 * 24) + 2
    cells, inputs = 24, 48  # two directions; four gates over input and state, two biases; then the normalisation
    assert counts["LSTM layer 2"] == 2 * 4 * cells * (inputs + cells + 2) + 2 * (2 * cells)


def test_measured_updates_span_the_lengths_of_an_epoch():
    plan = EpochPlan([["id"]] * 9, 45.0, 0.0, [5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0, 6.0])
    loads = [plan.loads[place] for (place,) in choose_updates(plan, 1, 3)]
    assert loads == [1.0, 5.0, 9.0]
    assert len(choose_updates(plan, 1, 100)) == 9
    assert len(choose_updates(plan, 100, 5)) == 1


def test_with_accumulation_the_largest_batch_is_measured_too():
    """It decides on the memory, and need not be in the longest update."""
    plan = EpochPlan([["id"]] * 4, 22.0, 0.0, [10.0, 1.0, 6.0, 6.0])
    assert [list(group) for group in choose_updates(plan, 2, 5)] == [[0, 1], [2, 3], [0, 1]]


def test_the_table_and_the_figures_say_the_same(plan, tmp_path):
    write_figures(plan, tmp_path / "plan.json")
    figures = json.loads((tmp_path / "plan.json").read_text(encoding="utf-8"))
    assert figures["work"]["updates"] == plan.work.steps
    assert figures["seconds"]["training"] == pytest.approx(plan.total_seconds)
    assert figures["disk"]["experiment"] == plan.disk
    assert figures["parameters"]["output"] == plan.parameters["output"]
    assert figures["obstacles"] == figures["errors"] == []
    text = plan_text(plan)
    for what in ("18: 3 epochs of 6", f"{sum(plan.parameters.values()):,}", "24 train, 8 dev; 6 units", "padding"):
        assert what in text
    assert text.splitlines()[-1] == "ready to train"
    assert figures["memory"]["measured_peak"] == plan.measured.peak


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (60, "1 min 0 s"), (3599, "59 min 59 s"), (12345, "3 h 25 min")],
)
def test_durations_are_readable(seconds, text):
    assert duration(seconds) == text


def test_sizes_are_readable():
    assert (size(1_500_000), size(2_340_000_000)) == ("1.5 MB", "2.34 GB")


class TestCommand:
    """The verb: table on standard output, 0 when training can start, 1 when it would fail."""

    def run(self, data, tmp_path, capsys, *more):
        from asr.__main__ import run

        save_config(toy_config(), tmp_path / "toy.yaml")
        paths = ["--data", str(data), "--exp", str(tmp_path / "exp"), "--config", str(tmp_path / "toy.yaml")]
        code = run(["check", "plan", *paths, "--device", "cpu", "--threads", "1", *more])
        return code, *capsys.readouterr()

    def test_a_good_set(self, data, tmp_path, capsys):
        code, out, _ = self.run(data, tmp_path, capsys, "--json", str(tmp_path / "plan.json"))
        assert code == 0
        assert out.endswith("ready to train\n")
        assert json.loads((tmp_path / "plan.json").read_text())["name"] == "toy"
        assert not (tmp_path / "exp").exists()

    def test_a_bad_set(self, toy_data, tmp_path, capsys):
        name = spoil(toy_data, text="ab?")
        code, out, err = self.run(toy_data, tmp_path, capsys)
        assert code == 1
        assert name in out
        assert "Traceback" not in err


def test_a_training_from_audio_is_planned_without_a_store(tmp_path):
    """Lengths come from the manifest, features from the waves."""
    from tests_model import sounds

    from asr.audio.reading import write_audio
    from asr.config.experiment import ExperimentConfig
    from asr.corpus.utterance import Utterance

    for name in ("train", "dev"):
        utterances = []
        for number, wave in enumerate(sounds(4, seed=len(name))):
            write_audio(tmp_path / f"{name}{number}.wav", wave, 8000)
            utterances.append(Utterance(f"{name}{number}", f"{name}{number}.wav", 0.0, len(wave) / 8000, text="ab"))
        write_manifest(tmp_path / f"{name}.jsonl", utterances)
    Units("characters", [BLANK_SYMBOL, "a", "b"]).save(tmp_path / "units.txt")
    settings = toy_config().model_dump()
    settings["features"] |= {"source": "audio", "sample_rate": 8000, "mel_bins": 20}
    config = ExperimentConfig.model_validate(settings)
    plan = plan_training(config, tmp_path, tmp_path / "exp", device="cpu", threads=1)
    assert plan.obstacles == []
    assert plan.features == 0
    assert plan.work.steps == sum(plan.work.updates) > 0
    assert plan.measured.times.seconds(1, 1.0) > 0
