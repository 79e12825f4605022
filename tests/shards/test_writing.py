"""Writing a corpus as shards: what comes out is what went in, whole or not at all, in a random but fixed order."""

import io
from pathlib import Path

import numpy as np
import pytest
import soundfile

from asr.audio.reading import read_audio, write_audio
from asr.config.sections import FeatureConfig
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.errors import AudioError, CorpusError, FeatureError, UsageError
from asr.features.computing import compute_features
from asr.features.store import FeatureStore
from asr.shards.checking import check_shards
from asr.shards.index import ShardIndex
from asr.shards.samples import lengths_of, unpack_fields, unpack_matrix, unpack_wave
from asr.shards.tar import scan
from asr.shards.writing import write_shards

RATE = 16000


@pytest.fixture
def spoken(tmp_path):
    """Five utterances of two recordings, one in stereo, with features at two speeds."""
    generator = np.random.default_rng(3)
    time = np.arange(4 * RATE) / RATE
    wave = (0.3 * np.sin(2 * np.pi * 300 * time) + 0.01 * generator.normal(size=len(time))).astype(np.float32)
    write_audio(tmp_path / "one.wav", wave, RATE)
    soundfile.write(tmp_path / "two.wav", np.stack([wave, -0.5 * wave], axis=1), RATE)
    utterances = [
        Utterance("a.1", "one.wav", 0.0, 1.0, text="GO", speaker="x", extra={"synthetic": True}),
        Utterance("a/2", "one.wav", 1.0, 1.5, text="STOP IT", speaker="x"),
        Utterance("b", "two.wav", 0.5, 1.0, channel=1, text="ÉTÉ"),
        Utterance("c", "two.wav", 0.0, 0.5, text=""),
        Utterance("d", "two.wav", 2.0, 2.0, channel=0, text="GO", speaker="y"),
    ]
    write_manifest(tmp_path / "all.jsonl", utterances)
    return tmp_path


def samples(folder):
    """{id: (utterance, files)} in the order of the shards."""
    found = {}
    for tar in sorted(Path(folder).glob("*.tar")):
        with tar.open("rb") as stream:
            for span in scan(stream, tar.name):
                utterance = unpack_fields(span.files, span.key)
                found[utterance.id] = (utterance, span.files)
    return found


@pytest.mark.parametrize("kind", ["flac", "opus"])
def test_audio_shards_hold_the_stretches_of_the_manifest(spoken, kind):
    entry = write_shards(spoken / "all.jsonl", spoken / "out", audio=kind, utterances=2)
    assert [shard.utterances for shard in entry.shards] == [2, 2, 1]
    assert (entry.payload, entry.rate, entry.speeds, entry.speakers) == (kind, RATE, [1.0], 2)
    assert entry.synthetic
    assert list(check_shards(spoken / "out")) == []
    written = samples(spoken / "out")
    for utterance in load_manifest(spoken / "all.jsonl"):
        read, files = written[utterance.id]
        assert (read.text, read.speaker, read.extra) == (utterance.text, utterance.speaker, utterance.extra)
        expected = read_audio(
            utterance.audio,
            sample_rate=RATE,
            start=utterance.start,
            duration=utterance.duration,
            channel=utterance.channel,
        )
        wave = unpack_wave(files, RATE, "x")
        assert len(wave) == len(expected) == round(utterance.duration * RATE)
        assert np.abs(wave - expected).max() <= (
            2**-16 if kind == "flac" else 0.1
        )  # the mean of two channels is rounded
        assert lengths_of(files, "x") == (kind, RATE, {1.0: len(expected)})


def test_other_programs_read_the_flac(spoken):
    write_shards(spoken / "all.jsonl", spoken / "out", audio="flac")
    for utterance, files in samples(spoken / "out").values():
        wave, rate = soundfile.read(io.BytesIO(files["flac"]))
        assert rate == RATE
        assert len(wave) == round(utterance.duration * RATE)


def test_feature_shards_hold_the_store_at_all_its_speeds(spoken, tmp_path):
    config = FeatureConfig(mel_bins=8)
    compute_features(spoken / "all.jsonl", spoken / "store", config, speeds=(0.9, 1.0))
    entry = write_shards(spoken / "all.jsonl", spoken / "out", store=spoken / "store", utterances=3)
    assert entry.speeds == [1.0, 0.9]
    assert entry.features == config
    store = FeatureStore.open(spoken / "store")
    for utterance, files in samples(spoken / "out").values():
        np.testing.assert_array_equal(unpack_matrix(files["npy"], "x"), store[utterance.id])
        np.testing.assert_array_equal(unpack_matrix(files["sp0.9.npy"], "x"), store[f"sp0.9-{utterance.id}"])
        assert np.load(io.BytesIO(files["npy"])).dtype == np.float16
    assert (spoken / "out" / "global.npz").read_bytes() == (spoken / "store" / "global.npz").read_bytes()
    assert list(check_shards(spoken / "out")) == []


def test_the_order_is_shuffled_over_the_whole_and_fixed_by_the_seed(tmp_path):
    write_audio(tmp_path / "a.wav", np.zeros(RATE, np.float32) + 0.1, RATE)
    utterances = [Utterance(f"u{number:02d}", "a.wav", 0.0, 0.1, text="A") for number in range(30)]
    write_manifest(tmp_path / "m.jsonl", utterances)
    for name, seed in (("one", 1), ("again", 1), ("two", 2)):
        write_shards(tmp_path / "m.jsonl", tmp_path / name, audio="flac", utterances=7, seed=seed)
    orders = [list(samples(tmp_path / name)) for name in ("one", "again", "two")]
    assert orders[0] == orders[1]
    assert orders[0] != orders[2]
    assert sorted(orders[0]) == sorted(orders[2]) == [utterance.id for utterance in utterances]
    assert abs(np.mean([int(name[1:]) for name in orders[0][:15]]) - 14.5) < 6
    for tar in (tmp_path / "one").glob("*.tar"):
        assert tar.read_bytes() == (tmp_path / "again" / tar.name).read_bytes()


def test_a_shard_ends_when_it_passes_its_size(spoken):
    entry = write_shards(spoken / "all.jsonl", spoken / "out", audio="flac", megabytes=0.03)
    assert len(entry.shards) > 1
    index = ShardIndex.open(spoken / "out")
    for number in range(len(entry.shards) - 1):
        records = index.members(number)
        assert records["offset"][-1] < 30_000 <= records["offset"][-1] + records["bytes"][-1]


def test_several_processes_write_the_same(spoken):
    for jobs in (1, 2):
        write_shards(spoken / "all.jsonl", spoken / f"out{jobs}", audio="flac", jobs=jobs)
    for path in (spoken / "out1").iterdir():
        assert path.read_bytes() == (spoken / "out2" / path.name).read_bytes()


def test_what_fails_leaves_nothing_behind(spoken):
    bad = [*load_manifest(spoken / "all.jsonl"), Utterance("ghost", str(spoken / "none.wav"), 0.0, 1.0)]
    write_manifest(spoken / "bad.jsonl", bad)
    with pytest.raises(AudioError, match=r"utterance ghost \(.*none\.wav\): does not exist"):
        write_shards(spoken / "bad.jsonl", spoken / "out", audio="flac")
    write_manifest(spoken / "twice.jsonl", [*bad[:2], bad[0]])
    with pytest.raises(CorpusError, match=r"a\.1: is twice in shard-000000\.tar"):
        write_shards(spoken / "twice.jsonl", spoken / "out", audio="flac")
    compute_features(spoken / "all.jsonl", spoken / "store", FeatureConfig())
    with pytest.raises(FeatureError, match="ghost: is not in the feature store"):
        write_shards(spoken / "bad.jsonl", spoken / "out", store=spoken / "store")
    assert not (spoken / "out").exists()
    assert not list(spoken.glob(".out*"))


def test_usage_errors_come_before_any_work(spoken):
    with pytest.raises(UsageError, match="needs either --store or --audio"):
        write_shards(spoken / "all.jsonl", spoken / "out")
    with pytest.raises(UsageError, match="exists and is not empty"):
        write_shards(spoken / "all.jsonl", spoken, audio="flac")
    with pytest.raises(CorpusError, match="does not exist"):
        write_shards(spoken / "no.jsonl", spoken / "out", audio="flac")


def test_opus_at_a_rate_that_it_does_not_have_is_refused(spoken):
    with pytest.raises(AudioError, match=r"11025 Hz\): is no sample rate of Opus"):
        write_shards(spoken / "all.jsonl", spoken / "out", audio="opus", sample_rate=11025)
