"""Features of a manifest: the same for any number of processes, kept when up to date, honest about bad audio."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from asr.config.sections import FeatureConfig
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, FeatureError, UsageError
from asr.features.augmentation.perturbation import perturb_speed
from asr.features.computing import compute_features, speed_id, speeds_of
from asr.features.extractor import fbank
from asr.features.normalisation import GLOBAL, SPEAKERS, CmvnStatistics, load_statistics
from asr.features.store import FeatureStore, read_marker

CONFIG = FeatureConfig(mel_bins=20, store_dtype="float32")
SPEEDS = (0.9, 1.0, 1.1)


@pytest.fixture
def manifest(tmp_path) -> Path:
    """20 utterances by two speakers and one unknown; the last two are spans of one stereo recording."""
    random = np.random.default_rng(0)
    utterances = []
    for i in range(18):
        samples = 0.1 * random.standard_normal(3000 + 500 * i)
        soundfile.write(tmp_path / f"utt{i}.wav", samples, 16000)
        utterances.append(Utterance(f"utt{i}", f"utt{i}.wav", 0.0, len(samples) / 16000, speaker=f"s{i % 2}"))
    soundfile.write(tmp_path / "long.wav", 0.1 * random.standard_normal((32000, 2)), 16000)
    utterances.append(Utterance("span-a", "long.wav", 0.25, 0.5, channel=0))
    utterances.append(Utterance("span-b", "long.wav", 1.0, 0.75, channel=1))
    write_manifest(tmp_path / "train.jsonl", utterances)
    return tmp_path / "train.jsonl"


def content(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in directory.iterdir()}


def test_speed_ids_are_named_as_kaldi_does():
    assert speed_id("utt1", 1.0) == "utt1"
    assert speed_id("utt1", 0.9) == "sp0.9-utt1"
    assert speed_id("utt1", 1.1) == "sp1.1-utt1"


def test_every_utterance_at_every_speed(tmp_path, manifest):
    summary = compute_features(manifest, tmp_path / "out", CONFIG, speeds=SPEEDS)
    store = FeatureStore.open(tmp_path / "out")
    assert summary.utterances == len(store) == 60 and not summary.up_to_date and summary.skipped == []
    assert summary.frames == sum(store.frames(id) for id in store)
    assert store.config == CONFIG
    wave = soundfile.read(tmp_path / "utt7.wav", dtype="float32")[0]
    np.testing.assert_array_equal(store["utt7"], fbank(wave, CONFIG).numpy())
    np.testing.assert_array_equal(store["sp0.9-utt7"], fbank(perturb_speed(wave, 0.9), CONFIG).numpy())
    assert store.frames("sp1.1-utt7") < store.frames("utt7") < store.frames("sp0.9-utt7")
    span = soundfile.read(tmp_path / "long.wav", dtype="float32")[0][16000:28000, 1]
    np.testing.assert_array_equal(store["span-b"], fbank(np.ascontiguousarray(span), CONFIG).numpy())


def test_statistics_are_those_of_what_is_stored(tmp_path, manifest):
    compute_features(manifest, tmp_path / "out", CONFIG, speeds=SPEEDS)
    store = FeatureStore.open(tmp_path / "out")
    everything = np.concatenate([store[id] for id in store]).astype(np.float64)
    overall = CmvnStatistics.load(tmp_path / "out" / GLOBAL)
    np.testing.assert_allclose(overall.mean, everything.mean(0), rtol=1e-10)
    np.testing.assert_allclose(overall.deviation, everything.std(0), rtol=1e-8)
    speakers = load_statistics(tmp_path / "out" / SPEAKERS)
    assert sorted(speakers) == ["s0", "s1", "sp0.9-s0", "sp0.9-s1", "sp1.1-s0", "sp1.1-s1"]  # none for the unknown
    odd = np.concatenate([store[f"sp0.9-utt{i}"] for i in range(1, 18, 2)]).astype(np.float64)
    assert speakers["sp0.9-s1"].count == len(odd)
    np.testing.assert_allclose(speakers["sp0.9-s1"].mean, odd.mean(0), rtol=1e-10)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_the_number_of_processes_does_not_change_a_byte(tmp_path, manifest, dtype):
    config = CONFIG.model_copy(update={"store_dtype": dtype})
    for jobs in (1, 2, 3):
        compute_features(manifest, tmp_path / f"out{jobs}", config, speeds=SPEEDS, jobs=jobs)
    assert content(tmp_path / "out1") == content(tmp_path / "out2") == content(tmp_path / "out3")


def test_the_callers_threads_do_not_change_a_byte(tmp_path, manifest):
    compute_features(manifest, tmp_path / "one", CONFIG)
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        compute_features(manifest, tmp_path / "two", CONFIG)
    finally:
        torch.set_num_threads(threads)
    assert content(tmp_path / "one") == content(tmp_path / "two")


def test_float16_keeps_log_mels_to_an_eightieth_of_a_neper(tmp_path, manifest):
    compute_features(manifest, tmp_path / "half", CONFIG.model_copy(update={"store_dtype": "float16"}))
    compute_features(manifest, tmp_path / "full", CONFIG)
    half, full = FeatureStore.open(tmp_path / "half"), FeatureStore.open(tmp_path / "full")
    # Between 16 and 32 neighbouring float16 values lie 1/64 apart.
    assert 0 < max(np.abs(half[id] - full[id]).max() for id in full) <= 1 / 128


def test_a_whole_store_is_kept_and_a_changed_one_computed_again(tmp_path, manifest):
    out = tmp_path / "out"
    first = compute_features(manifest, out, CONFIG)
    before = (out / "features.bin").stat().st_mtime_ns
    second = compute_features(manifest, out, CONFIG, jobs=2)
    assert second.up_to_date and (second.utterances, second.frames) == (first.utterances, first.frames)
    other_normalisation = CONFIG.model_copy(update={"normalisation": "global"})
    assert compute_features(manifest, out, other_normalisation).up_to_date
    assert (out / "features.bin").stat().st_mtime_ns == before
    assert not compute_features(manifest, out, CONFIG, force=True).up_to_date
    assert not compute_features(manifest, out, CONFIG, speeds=(1.0, 0.9)).up_to_date
    assert not compute_features(manifest, out, CONFIG.model_copy(update={"low_hz": 50.0})).up_to_date
    manifest.write_text("".join(manifest.read_text().splitlines(keepends=True)[:-1]))
    assert not compute_features(manifest, out, CONFIG.model_copy(update={"low_hz": 50.0})).up_to_date


def test_an_unfinished_store_is_computed_again(tmp_path, manifest):
    compute_features(manifest, tmp_path / "out", CONFIG)
    (tmp_path / "out" / "complete.json").unlink()
    assert not compute_features(manifest, tmp_path / "out", CONFIG).up_to_date


@pytest.mark.parametrize("jobs", [1, 2])
def test_an_unreadable_utterance_stops_the_work_and_is_named(tmp_path, manifest, jobs):
    (tmp_path / "utt9.wav").write_bytes(b"no audio at all")
    with pytest.raises(AudioError, match=r"utterance utt9 \(.*utt9\.wav\)"):
        compute_features(manifest, tmp_path / "out", CONFIG, jobs=jobs)
    assert read_marker(tmp_path / "out") is None


def test_unreadable_utterances_can_be_skipped_and_are_listed(tmp_path, manifest):
    (tmp_path / "utt9.wav").write_bytes(b"no audio at all")
    (tmp_path / "utt3.wav").unlink()
    summary = compute_features(manifest, tmp_path / "out", CONFIG, speeds=SPEEDS, skip_bad=True)
    assert summary.utterances == 54
    assert [line.split(":")[0] for line in summary.skipped] == ["utt3", "utt9"]
    store = FeatureStore.open(tmp_path / "out")
    assert "utt3" not in store and "sp0.9-utt9" not in store and "utt4" in store
    assert compute_features(manifest, tmp_path / "out", CONFIG, speeds=SPEEDS, skip_bad=True).skipped == summary.skipped
    with pytest.raises(AudioError, match="utt3"):  # a store with gaps does not pass where gaps are not allowed
        compute_features(manifest, tmp_path / "out", CONFIG, speeds=SPEEDS)


def test_no_readable_utterance_at_all_is_an_error(tmp_path, manifest):
    for path in tmp_path.glob("*.wav"):
        path.unlink()
    with pytest.raises(FeatureError, match="no utterance could be read"):
        compute_features(manifest, tmp_path / "out", CONFIG, skip_bad=True)


def test_an_utterance_shorter_than_a_window_has_no_frames_and_a_warning(tmp_path, caplog):
    soundfile.write(tmp_path / "blip.wav", np.full(300, 0.1), 16000)
    soundfile.write(tmp_path / "word.wav", np.full(3000, 0.1), 16000)
    utterances = [Utterance("blip", "blip.wav", 0.0, 300 / 16000), Utterance("word", "word.wav", 0.0, 3000 / 16000)]
    write_manifest(tmp_path / "m.jsonl", utterances)
    compute_features(tmp_path / "m.jsonl", tmp_path / "out", CONFIG)
    assert FeatureStore.open(tmp_path / "out")["blip"].shape == (0, 20)
    assert "blip is shorter than one window" in caplog.text


@pytest.mark.parametrize(
    ("options", "reason"),
    [({"jobs": 0}, "--nj"), ({"speeds": ()}, "empty"), ({"speeds": (1.0, 1.0)}, "twice"), ({"speeds": (0.0,)}, "0")],
)
def test_options_out_of_range_are_usage_errors(tmp_path, manifest, options, reason):
    with pytest.raises(UsageError, match=reason):
        compute_features(manifest, tmp_path / "out", CONFIG, **options)


def test_speeds_are_read_with_commas_and_spaces():
    assert list(speeds_of("0.9,1.0 1.1")) == [0.9, 1.0, 1.1]
    with pytest.raises(UsageError, match="fast"):
        list(speeds_of("1.0,fast"))
