"""Training: it learns, it is reproducible to the bit, and a kill at any moment changes nothing."""

import json
import logging
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tests_toy import toy_config, write_toy_data

from asr.config.experiment import save_config
from asr.config.sections import UnitsConfig
from asr.corpus.manifest import load_manifest
from asr.decoding.from_files import DecoderRecipe
from asr.errors import CheckpointError, FeatureError, TrainingError
from asr.features.store import FeatureStore
from asr.model.acoustic import AcousticModel
from asr.model.directory import load_trained
from asr.training.checkpoint import list_checkpoints, load_newest
from asr.training.experiment import train_experiment
from asr.training.step import loss as objective
from asr.training.step.update import Updater
from asr.training.trainer import Trainer
from asr.units import build_units

WEIGHTS = "model/model.safetensors"
TOOL = Path(__file__).parents[2] / "tools" / "kill_resume.py"


def train(data, experiment, config=None, **options):
    return train_experiment(config or toy_config(), data, experiment, device="cpu", threads=1, **options)


def test_it_learns_the_toy_language(toy_data, tmp_path):
    summary = train(toy_data, tmp_path / "exp", toy_config(training={"epochs": 20}))
    assert summary.dev.wer < 10
    trained = load_trained(summary.model)
    assert trained.units.symbols[1:] == [" ", "a", "b", "c", "d"]
    assert "greedy WER" in (summary.model / "card.md").read_text()


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(toy_data, tmp_path):
    train(toy_data, tmp_path / "one")
    train(toy_data, tmp_path / "two")
    train(toy_data, tmp_path / "other", toy_config(seed=2))
    one, two, other = ((tmp_path / name / WEIGHTS).read_bytes() for name in ("one", "two", "other"))
    assert one == two
    assert one != other


@pytest.mark.parametrize("workers", [0, 2])
def test_loading_processes_change_nothing(toy_data, tmp_path, workers):
    train(toy_data, tmp_path / "reference")
    train(toy_data, tmp_path / "exp", toy_config(training={"workers": workers}))
    reference, other = (load_file(tmp_path / name / WEIGHTS) for name in ("reference", "exp"))
    assert all(torch.equal(reference[name], other[name]) for name in reference)


class Stop(Exception):
    """Stands for a power cut in the middle of an update."""


@pytest.mark.parametrize("last_update", [5, 12, 18])
def test_a_stop_at_any_update_and_a_resume_end_in_the_same_bits(toy_data, tmp_path, monkeypatch, last_update):
    """Six updates an epoch, a save every four: the stops fall before, on and after saves and epoch ends."""
    train(toy_data, tmp_path / "straight")
    original = Trainer._update

    def stopping(self, *arguments):
        if self.progress.step >= last_update:
            raise Stop
        original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", stopping)
        if last_update < 18:
            with pytest.raises(Stop):
                train(toy_data, tmp_path / "stopped")
        else:
            train(toy_data, tmp_path / "stopped")
    train(toy_data, tmp_path / "stopped", resume=True)
    assert (tmp_path / "straight" / WEIGHTS).read_bytes() == (tmp_path / "stopped" / WEIGHTS).read_bytes()
    lines = {name: (tmp_path / name / "metrics.jsonl").read_text().splitlines() for name in ("straight", "stopped")}
    judged = {name: [json.loads(line) for line in lines[name] if '"dev"' in line] for name in lines}
    assert judged["straight"] == judged["stopped"]


@pytest.mark.slow
def test_kill_nine(toy_data, tmp_path):
    """Real kills of real processes, half of them aimed at a save; takes a minute. Last run: 2026-11-22."""
    save_config(toy_config(training={"epochs": 20, "save_steps": 1, "ema": 0.9}), tmp_path / "toy.yaml")
    command = [sys.executable, str(TOOL), "--data", str(toy_data), "--config", str(tmp_path / "toy.yaml")]
    result = subprocess.run([*command, "--work", str(tmp_path), "--kills", "10"], capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert re.search(r"10 kills in \d+ training\(s\), [1-9]\d* of them inside a save, \d+ s: bit-equal", result.stdout)
    assert "starts that loaded a state and went on" in result.stdout


def test_it_never_restarts_in_silence(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp")
    with pytest.raises(TrainingError, match=r"already holds checkpoints.*--resume"):
        train(toy_data, tmp_path / "exp")


def test_resuming_with_other_settings_is_refused_and_named(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp")
    with pytest.raises(CheckpointError, match=r"other settings: training\.learning_rate"):
        train(toy_data, tmp_path / "exp", toy_config(training={"learning_rate": 0.02}), resume=True)


def test_how_often_to_save_may_change_on_resume(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp")
    train(toy_data, tmp_path / "exp", toy_config(training={"save_steps": 2, "log_steps": 1}), resume=True)


def test_a_damaged_newest_checkpoint_falls_back_to_the_one_before(toy_data, tmp_path, caplog):
    train(toy_data, tmp_path / "exp")
    expected = (tmp_path / "exp" / WEIGHTS).read_bytes()
    newest = list_checkpoints(tmp_path / "exp" / "checkpoints")[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    train(toy_data, tmp_path / "exp", resume=True)
    assert (tmp_path / "exp" / WEIGHTS).read_bytes() == expected
    assert "does not match its checksum" in caplog.text


def test_only_damaged_checkpoints_fail_loudly(toy_data, tmp_path):
    train(toy_data, tmp_path / "exp")
    for path in list_checkpoints(tmp_path / "exp" / "checkpoints"):
        path.write_bytes(b"garbage")
    with pytest.raises(CheckpointError, match="no checkpoint in it can be read"):
        train(toy_data, tmp_path / "exp", resume=True)


def test_a_bad_update_is_skipped_and_its_utterances_named(toy_data, tmp_path, monkeypatch, caplog):
    original, calls = objective.ctc_loss, []

    def sometimes_nan(log_probs, lengths, targets):
        calls.append(1)
        losses = original(log_probs, lengths, targets)
        return losses * float("nan") if len(calls) == 4 else losses  # the first call is the rehearsal

    monkeypatch.setattr(objective, "ctc_loss", sometimes_nan)
    summary = train(toy_data, tmp_path / "exp")
    assert "update 3 skipped: loss nan" in caplog.text
    assert "train-0" in caplog.text
    assert all(torch.isfinite(value).all() for value in load_file(summary.model / "model.safetensors").values())


def test_many_bad_updates_in_a_row_stop_training_with_the_checkpoint_kept(toy_data, tmp_path, monkeypatch):
    original, calls = objective.ctc_loss, []

    def nan_from_the_eighth_update(log_probs, lengths, targets):
        calls.append(1)
        losses = original(log_probs, lengths, targets)
        return losses * float("nan") if len(calls) >= 9 else losses

    monkeypatch.setattr(objective, "ctc_loss", nan_from_the_eighth_update)
    with pytest.raises(TrainingError, match="3 updates in a row"):
        train(toy_data, tmp_path / "exp", toy_config(training={"bad_steps": 3}))
    assert list_checkpoints(tmp_path / "exp" / "checkpoints")


def test_after_too_many_bad_updates_the_kept_checkpoint_is_the_last_good_one_and_training_goes_on_from_it(
    toy_data, tmp_path, monkeypatch
):
    """Also where one bad batch spoils a group: the state before the bad updates is there, finite, and resumes."""
    config = toy_config(training={"bad_steps": 2, "accumulate": 2, "save_steps": 1, "epochs": 2})
    original, calls = objective.ctc_loss, []

    def second_of_each_group_is_infinite(*arguments):
        calls.append(1)
        losses = original(*arguments)
        return losses * float("inf") if len(calls) >= 4 and len(calls) % 2 else losses

    with monkeypatch.context() as patch:
        patch.setattr(objective, "ctc_loss", second_of_each_group_is_infinite)
        with pytest.raises(TrainingError, match="2 updates in a row"):
            train(toy_data, tmp_path / "exp", config)
    kept = load_newest(tmp_path / "exp" / "checkpoints")
    assert kept["progress"]["step"] == 2
    assert kept["progress"]["bad_steps"] == 1  # it was saved after the first bad update, with the weights of before
    assert {int(entry["step"]) for entry in kept["optimizer"]["state"].values()} == {1}
    assert all(torch.isfinite(weights).all() for weights in kept["model"].values())
    assert train(toy_data, tmp_path / "exp", config, resume=True).updates == 6


def test_float16_overflows_are_told_but_not_counted_as_bad(toy_data, tmp_path, monkeypatch, caplog):
    caplog.set_level(logging.INFO, logger="asr")
    original = Updater.__init__

    def start_too_high(self, *arguments):
        original(self, *arguments)
        self.scaler.update(2.0**23)

    monkeypatch.setattr(Updater, "__init__", start_too_high)
    config = toy_config(training={"precision": "float16", "bad_steps": 1, "epochs": 2})
    with torch.backends.mkldnn.flags(enabled=False):
        summary = train(toy_data, tmp_path / "exp", config)
    assert summary.updates == 12
    assert "update 1: float16 overflowed" in caplog.text
    assert "skipped" not in caplog.text


def test_running_out_of_memory_costs_a_warning_and_training_ends_as_ever(toy_data, tmp_path, monkeypatch, caplog):
    """The model holds two utterances of the four of a batch: found by the rehearsal, before the first update."""
    original = AcousticModel.at_layers

    def small(self, features, *arguments):
        if torch.is_grad_enabled() and len(features) > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return original(self, features, *arguments)

    quiet = toy_config(model={"dropout": 0.0}, training={"epochs": 2})
    whole = train(toy_data, tmp_path / "whole", quiet)
    monkeypatch.setattr(AcousticModel, "at_layers", small)
    caplog.clear()
    split = train(toy_data, tmp_path / "split", quiet)
    warnings = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert warnings
    assert all("out of memory on a batch of 4 utterances" in warning for warning in warnings)
    assert split.updates == whole.updates == 12
    assert split.dev.loss == pytest.approx(whole.dev.loss, rel=1e-3)


def test_with_every_switch_on_it_still_learns(toy_data, tmp_path):
    switches = {"ema": 0.9, "label_smoothing": 0.05, "intermediate_weight": 0.3, "epochs": 40}
    config = toy_config(model={"layers": 2, "intermediate_layers": [1]}, training=switches)
    summary = train(toy_data, tmp_path / "exp", config)
    assert summary.dev.wer < 10


def test_a_model_trained_with_intermediate_layers_is_a_model_like_any_other(toy_data, tmp_path):
    """Its weights fit a configuration that never heard of intermediate layers, and read the same."""
    model = {"layers": 2, "intermediate_layers": [1]}
    folder = train(toy_data, tmp_path / "exp", toy_config(model=model, training={"epochs": 1})).model
    with_layers = load_trained(folder, "cpu")
    text = (folder / "config.yaml").read_text()
    (folder / "config.yaml").write_text(re.sub(r"  intermediate_layers:\n  - 1\n", "", text))
    without = load_trained(folder, "cpu")
    assert (with_layers.config.model.intermediate_layers, without.config.model.intermediate_layers) == ([1], [])
    features, lengths = torch.randn(1, 30, 8), torch.tensor([30])
    assert torch.equal(with_layers.model(features, lengths)[0], without.model(features, lengths)[0])


def test_accumulated_batches_give_the_gradient_of_one_big_batch(toy_data, tmp_path):
    """Without dropout, four utterances at once and two times two are the same update."""
    settings = {"model": {"dropout": 0.0}, "augmentation": {"first_epoch": 99}}
    batching = {"shortest_first_epochs": 9, "buckets_jitter": 0.0}
    one = toy_config(**settings, batching={**batching, "utterances": 4})
    two = toy_config(**settings, batching={**batching, "utterances": 2}, training={"accumulate": 2})
    train(toy_data, tmp_path / "one", one)
    train(toy_data, tmp_path / "two", two)
    first, second = (load_file(tmp_path / name / WEIGHTS) for name in ("one", "two"))
    for name in first:
        torch.testing.assert_close(first[name], second[name], rtol=0, atol=2e-3)


def test_bfloat16_still_learns(toy_data, tmp_path):
    with torch.backends.mkldnn.flags(enabled=False):  # where oneDNN has no LSTM in it, PyTorch's own computes
        summary = train(toy_data, tmp_path / "exp", toy_config(training={"epochs": 20, "precision": "bfloat16"}))
    assert summary.dev.wer < 25


def test_patience_stops_early(toy_data, tmp_path):
    config = toy_config(training={"epochs": 12, "patience": 2, "learning_rate": 1e-9})
    assert train(toy_data, tmp_path / "exp", config).epochs == 3


def test_utterances_shared_by_train_and_dev_are_refused(toy_data, tmp_path):
    (toy_data / "dev.jsonl").write_text((toy_data / "train.jsonl").read_text())
    with pytest.raises(TrainingError, match="are in train and in dev"):
        train(toy_data, tmp_path / "exp")


def test_features_computed_with_other_settings_are_refused(toy_data, tmp_path):
    with pytest.raises(FeatureError, match="other feature settings"):
        train(toy_data, tmp_path / "exp", toy_config(features={"mel_bins": 20}))


def test_a_text_that_cannot_fit_its_frames_is_named(toy_data, tmp_path):
    with pytest.raises(TrainingError, match=r"train-\d+ .*frames, needs"):
        config = toy_config(model={"time_reduction": 6}, features={})
        lines = (toy_data / "train.jsonl").read_text().splitlines()
        record = json.loads(lines[0])
        record["text"] = "abcd " * 40
        (toy_data / "train.jsonl").write_text("\n".join([json.dumps(record), *lines[1:]]) + "\n")
        train(toy_data, tmp_path / "exp", config)


def test_the_log_has_what_one_looks_for(toy_data, tmp_path, caplog):
    caplog.set_level(logging.INFO, logger="asr")
    train(toy_data, tmp_path / "exp")
    records = [json.loads(line) for line in (tmp_path / "exp" / "metrics.jsonl").read_text().splitlines()]
    training = [record for record in records if record["kind"] == "train"]
    wanted = {"loss", "gradient_norm", "learning_rate", "blank_rate", "audio_seconds_per_second", "waiting_for_data"}
    assert all(wanted <= record.keys() for record in training)
    assert [record["epoch"] for record in records if record["kind"] == "dev"] == [1, 2, 3]
    assert list((tmp_path / "exp" / "tensorboard").glob("events*"))
    assert "% padding" in (tmp_path / "exp" / "train.log").read_text()


def test_a_model_of_phones_from_data_to_words(tmp_path):
    """The toy's letters as phones: judged by phones in training, words by the lexicon of the model folder after it."""
    data = write_toy_data(tmp_path / "data")
    sets = [load_manifest(data / f"{name}.jsonl") for name in ("train", "dev")]
    words = sorted({word for utterances in sets for u in utterances for word in u.text.split()})
    (data / "lexicon.txt").write_text("".join(f"{word} {' '.join(word)}\n" for word in words))
    config = toy_config(training={"epochs": 20})
    config = config.model_copy(update={"units": UnitsConfig(kind="phones", language="")})
    build_units([u.text for u in sets[0]], config.units, data / "lexicon.txt").save(data / "units.txt")
    summary = train_experiment(config, data, tmp_path / "exp", device="cpu", threads=1)
    assert summary.error_rate == "phone error rate" and summary.dev.wer < 20
    model = load_trained(summary.model, "cpu")
    decoder = DecoderRecipe(summary.model / "units.txt", model.seconds_per_frame)()
    store = FeatureStore.open(data / "features" / "dev", config.features)
    texts = {}
    with torch.inference_mode():
        for utterance in sets[1]:
            features = model.normaliser(torch.from_numpy(np.array(store[utterance.id], np.float32)))
            log_probs, _ = model.model(features.unsqueeze(0), torch.tensor([len(features)]))
            texts[utterance.id] = decoder.decode(log_probs[0].numpy())[0].text
    assert {word for text in texts.values() for word in text.split()} <= set(words)
    letters = [texts[u.id].replace(" ", "") == u.text.replace(" ", "") for u in sets[1]]  # where words end is ambiguous
    assert sum(letters) >= 6
