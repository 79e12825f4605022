"""Training from audio: learns without a store, the same for any number of loading processes and over a resume."""

import logging
import sys

import numpy as np
import pytest
import soundfile
import torch
from tests_toy import BINS
from tests_waves import TOY_RATE, toy_audio_config, write_audio_data, write_noises

from asr.batches.sets import load_audio_sets
from asr.batches.statistics import measured_normaliser
from asr.batches.streamed import open_stream
from asr.corpus.manifest import Manifest, load_manifest
from asr.errors import AudioError, ConfigError, CorpusError, TrainingError
from asr.features.computing import compute_features
from asr.features.normalisation import GLOBAL, SPEAKERS, CmvnStatistics, load_statistics
from asr.features.waves import Waves
from asr.model.directory import load_trained
from asr.shards.writing import write_shards
from asr.training.experiment import train_experiment
from asr.training.trainer import Trainer
from asr.units import Units

WEIGHTS = "model/model.safetensors"
CPU = torch.device("cpu")


@pytest.fixture
def audio_data(tmp_path):
    """24 training and 8 dev utterances spoken in tones, without features, and a folder of noises."""
    write_noises(tmp_path / "noises")
    return write_audio_data(tmp_path / "data")


@pytest.fixture
def augmented(tmp_path):
    """A configuration that makes every change; sections override it."""

    def build(**sections):
        augmentation = {
            "first_epoch": 1,
            "speed_range": [0.9, 1.1],
            "noise": {"probability": 0.5, "folder": str(tmp_path / "noises"), "snr_db": [10.0, 30.0]},
            "room": {"probability": 0.4, "rooms": 4, "reverberation_seconds": [0.05, 0.1]},
            "gain": {"probability": 0.5},
            "band": {"probability": 0.3},
        }
        return toy_audio_config(augmentation={**augmentation, **sections.pop("augmentation", {})}, **sections)

    return build


def load(data, config):
    sets = [load_manifest(data / f"{name}.jsonl") for name in ("train", "dev")]
    return load_audio_sets(config, *sets, Units.load(data / "units.txt"), CPU)


def train(data, experiment, config, **options):
    return train_experiment(config, data, experiment, device="cpu", threads=1, **options)


def test_it_learns_from_audio_alone(audio_data, tmp_path, augmented, caplog):
    caplog.set_level(logging.INFO, logger="asr")
    summary = train(audio_data, tmp_path / "exp", augmented(training={"epochs": 16}))
    assert summary.dev.wer < 15
    assert "noise 50% (3 files at 10 to 30 dB)" in caplog.text
    assert load_trained(summary.model).config.features.source == "audio"


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", [0, 1, 2, 3])
def test_batches_are_the_same_for_any_number_of_processes_and_in_any_order(audio_data, augmented, workers):
    reference, _, _ = load(audio_data, augmented())
    examples, _, _ = load(audio_data, augmented(training={"workers": workers}))
    for epoch in (0, 3):
        plan = examples.plan(epoch).batches[::-1]
        batches = list(examples.batches(plan, epoch))
        assert [batch.ids for batch in batches] == list(plan)
        for batch in batches:
            for row, name in enumerate(batch.ids):
                expected = reference.load(name, epoch)
                assert torch.equal(batch.features[row, : len(expected)], expected)
                assert not batch.features[row, len(expected) :].any()


def test_memory_for_decoded_audio_changes_nothing(audio_data, tmp_path, augmented):
    for megabytes in (0, 1):
        config = augmented(training={"audio_cache_mb": megabytes, "epochs": 2})
        train(audio_data, tmp_path / f"exp{megabytes}", config)
    assert (tmp_path / "exp0" / WEIGHTS).read_bytes() == (tmp_path / "exp1" / WEIGHTS).read_bytes()


class Stop(Exception):
    """Stands for a power cut in the middle of an update."""


@pytest.mark.parametrize("last_update", [5, 9, 14])
def test_a_stop_and_a_resume_end_in_the_same_bits(audio_data, tmp_path, augmented, monkeypatch, last_update):
    """The resumed training loads by two processes and with another cache, which must not matter either."""
    train(audio_data, tmp_path / "straight", augmented())
    original = Trainer._update

    def stopping(self, *arguments):
        if self.progress.step >= last_update:
            raise Stop
        original(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Trainer, "_update", stopping)
        with pytest.raises(Stop):
            train(audio_data, tmp_path / "stopped", augmented())
    other = augmented(training={"workers": 2, "audio_cache_mb": 0})
    train(audio_data, tmp_path / "stopped", other, resume=True)
    assert (tmp_path / "straight" / WEIGHTS).read_bytes() == (tmp_path / "stopped" / WEIGHTS).read_bytes()


def test_features_left_to_the_training_process_are_the_same(audio_data, augmented):
    """As on a GPU: the loading processes hand over waves."""
    config = augmented(training={"workers": 1})
    examples, _, _ = load(audio_data, config)
    late, _, _ = load(audio_data, config)
    late.source.late = True
    plan = examples.plan(2).batches[:3]
    assert late.fetch(plan[0], 2).padded.dim() == 2
    for ours, theirs in zip(examples.batches(plan, 2), late.batches(plan, 2), strict=True):
        assert ours.ids == theirs.ids
        assert torch.equal(ours.features, theirs.features)
        assert torch.equal(ours.lengths, theirs.lengths)


def test_validation_hears_clean_speech(audio_data, augmented):
    train_set, dev, _ = load(audio_data, augmented())
    assert torch.equal(dev.load("dev-000", 0), dev.load("dev-000", 9))
    assert not torch.equal(train_set.load("train-000", 0), train_set.load("train-000", 9))
    assert torch.equal(train_set.load("train-000", 0), load(audio_data, toy_audio_config())[0].load("train-000", 0))


def test_speeds_fill_their_range_and_may_be_left_out(audio_data, augmented):
    always, _, _ = load(audio_data, augmented())
    half, _, _ = load(audio_data, augmented(augmentation={"speed_probability": 0.5}))
    speeds = {always._speed(row, epoch) for row in range(len(always.names)) for epoch in range(1, 20)}
    assert len(speeds) > 100 and 0.9 <= min(speeds) < 0.91 and 1.09 < max(speeds) <= 1.1
    plain = [half._speed(row, epoch) == 1.0 for row in range(len(half.names)) for epoch in range(1, 20)]
    assert np.mean(plain) == pytest.approx(0.5, abs=0.08)
    assert {always._speed(row, 0) for row in range(len(always.names))} == {1.0}


@pytest.mark.parametrize("kind", ["global", "speaker"])
def test_statistics_are_those_of_the_feature_stage(audio_data, tmp_path, kind):
    config = toy_audio_config(features={"mel_bins": BINS, "normalisation": kind, "store_dtype": "float32"}).features
    compute_features(audio_data / "train.jsonl", tmp_path / "store", config)
    normaliser = measured_normaliser(Waves(load_manifest(audio_data / "train.jsonl"), TOY_RATE, 0), config)
    if kind == "global":
        pairs = [(normaliser.overall, CmvnStatistics.load(tmp_path / "store" / GLOBAL))]
    else:
        stored = load_statistics(tmp_path / "store" / SPEAKERS)
        assert normaliser.speakers.keys() == stored.keys() == {"s0", "s1"}
        pairs = [(normaliser.speakers[name], stored[name]) for name in stored]
    for ours, theirs in pairs:
        assert ours.count == theirs.count
        np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-12)
        np.testing.assert_allclose(ours.deviation, theirs.deviation, rtol=1e-9)


def test_global_statistics_go_with_the_model(audio_data, tmp_path):
    config = toy_audio_config(features={"mel_bins": BINS, "normalisation": "global"}, training={"epochs": 1})
    summary = train(audio_data, tmp_path / "exp", config)
    assert load_trained(summary.model).normaliser.overall.count > 0


def test_a_text_that_does_not_fit_its_duration_is_named_before_training(audio_data, tmp_path):
    path = audio_data / "train.jsonl"
    path.write_text(path.read_text().replace('"text": "', '"text": "' + "abcd" * 40, 1))
    with pytest.raises(TrainingError, match=r"train-000 \(\d+ frames, needs \d+\)"):
        train(audio_data, tmp_path / "exp", toy_audio_config())


def test_utterances_in_train_and_dev_are_refused(audio_data, tmp_path):
    lines = {name: (audio_data / f"{name}.jsonl").read_text() for name in ("train", "dev")}
    (audio_data / "train.jsonl").write_text(lines["train"] + "".join(lines["dev"].splitlines(keepends=True)[:3]))
    with pytest.raises(TrainingError, match="dev-000: and 2 more are in train and in dev; keep the sets apart"):
        train(audio_data, tmp_path / "exp", toy_audio_config())


def test_of_a_doubled_id_the_last_is_heard(audio_data):
    path = audio_data / "train.jsonl"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([*lines, lines[7].replace('"train-007"', '"train-003"')]) + "\n")
    examples, _, _ = load(audio_data, toy_audio_config())
    assert len(examples.names) == 24
    assert torch.equal(examples.load("train-003", 0), examples.load("train-007", 0))
    assert examples.rows.target("train-003") == examples.rows.target("train-007")


def test_a_manifest_that_is_read_line_by_line_is_as_good_as_a_list(audio_data, augmented):
    config = augmented(features={"mel_bins": BINS, "normalisation": "global"})
    listed, listed_dev, _ = load(audio_data, config)
    sets = [Manifest(audio_data / f"{name}.jsonl") for name in ("train", "dev")]
    streamed, streamed_dev, _ = load_audio_sets(config, *sets, Units.load(audio_data / "units.txt"), CPU)
    assert list(streamed.plan(3).batches) == list(listed.plan(3).batches)
    assert streamed.facts() == listed.facts()
    for one, two in ((listed, streamed), (listed_dev, streamed_dev)):
        for name in one.names[:4]:
            assert torch.equal(one.load(name, 3), two.load(name, 3))


def test_missing_audio_and_missing_noise_are_named_before_training(audio_data, tmp_path, augmented):
    (audio_data / "audio" / "dev-003.wav").unlink()
    with pytest.raises(CorpusError, match=r"utterance dev-003: its audio .* does not exist"):
        train(audio_data, tmp_path / "exp", augmented())
    noise = {"probability": 0.5, "folder": str(tmp_path / "nothing")}
    with pytest.raises(CorpusError, match="nothing: is not a folder; name a folder of noise recordings"):
        load(write_audio_data(tmp_path / "whole"), augmented(augmentation={"noise": noise}))


@pytest.mark.parametrize("workers", [0, 1])
def test_audio_that_breaks_later_is_named_also_from_a_loading_process(audio_data, augmented, workers):
    examples, _, _ = load(audio_data, augmented(training={"workers": workers, "audio_cache_mb": 0}))
    (audio_data / "audio" / "train-005.wav").write_bytes(b"gone")
    with pytest.raises(AudioError, match="utterance train-005"):
        list(examples.batches([["train-004"], ["train-005"]], 0))


@pytest.mark.skipif(sys.platform != "linux", reason="memory is inherited only by forked processes")
def test_what_loading_processes_decoded_the_next_epoch_finds(audio_data, augmented):
    examples, _, _ = load(audio_data, augmented(training={"workers": 2}))
    first = list(examples.batches(examples.plan(0).batches, 0))
    for path in (audio_data / "audio").glob("train-*.wav"):
        soundfile.write(path, np.zeros(10), TOY_RATE)
    again = list(examples.batches(examples.plan(0).batches, 0))
    assert all(torch.equal(one.features, two.features) for one, two in zip(first, again, strict=True))


def test_audio_in_shards_is_augmented_as_audio_in_files(audio_data, tmp_path, augmented):
    """To the rounding of the shards' 16-bit samples."""
    config = augmented(augmentation={"speed_range": [], "speeds": [1.0]}, features={"normalisation": "none"})
    write_shards(audio_data / "train.jsonl", tmp_path / "shards", audio="flac", sample_rate=TOY_RATE)
    units = Units.load(audio_data / "units.txt")
    examples, _, _ = load(audio_data, config)
    shards = open_stream(tmp_path / "shards", units, config)
    changed = 0
    for batch in shards.batches(shards.plan(3).batches, 3):
        for row, name in enumerate(batch.ids):
            expected = examples.load(name, 3)
            torch.testing.assert_close(batch.features[row, : len(expected)], expected, atol=0.05, rtol=0)
            changed += not torch.allclose(expected, examples.load(name, 0), atol=0.5)
    assert changed > 12  # most of the 24 were audibly changed


def test_training_from_audio_in_shards_needs_no_store(audio_data, tmp_path, augmented):
    write_shards(audio_data / "train.jsonl", audio_data / "shards" / "train", audio="flac", sample_rate=TOY_RATE)
    (audio_data / "train.jsonl").unlink()
    config = augmented(augmentation={"speed_range": []}, training={"epochs": 2})
    assert train(audio_data, tmp_path / "exp", config).epochs == 2


def test_shards_that_cannot_be_augmented_so_are_refused(audio_data, tmp_path, augmented):
    compute_features(audio_data / "train.jsonl", tmp_path / "store", toy_audio_config().features)
    write_shards(audio_data / "train.jsonl", tmp_path / "shards", store=tmp_path / "store")
    units = Units.load(audio_data / "units.txt")
    with pytest.raises(ConfigError, match=r"augmentation\.room: .* hold features; write shards of audio"):
        open_stream(tmp_path / "shards", units, augmented(augmentation={"speed_range": [], "speeds": [1.0]}))
    with pytest.raises(ConfigError, match=r"augmentation\.speed_range: is not for shards; list augmentation\.speeds"):
        open_stream(tmp_path / "shards", units, augmented())


@pytest.mark.gpu
@pytest.mark.parametrize("workers", [0, 1])
def test_it_learns_on_the_gpu_from_pinned_waves(audio_data, tmp_path, augmented, workers):
    config = augmented(training={"epochs": 16, "workers": workers})
    assert train_experiment(config, audio_data, tmp_path / "exp", device="cuda").dev.wer < 25
    examples, _, _ = load(audio_data, config)
    batch = examples.batch(["train-000", "train-001"], 3).pin_memory()
    assert batch.features.is_pinned() and batch.lengths.is_pinned()
    examples.source.late = True
    assert examples.fetch(["train-000"], 3).pin_memory().padded.is_pinned()
