"""Training examples from shards: each utterance once over ranks and workers, exact resume, and what is refused."""

import numpy as np
import pytest
import torch
from tests_shards import UNITS, shard_config, write_numbered
from tests_waves import TOY_RATE, toy_audio_config, write_audio_data

from asr.batches.streamed import StreamExamples, open_stream
from asr.errors import CorpusError, FeatureError, TrainingError, UnitsError
from asr.features.computing import compute_features
from asr.features.normalisation import Normaliser
from asr.shards.index import MEMBERS, ShardIndex
from asr.shards.location import Location
from asr.shards.writing import write_shards
from asr.units import Units

SIZES = [9, 14, 3, 11]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("stream")


@pytest.fixture(scope="module")
def matrices(folder):
    return write_numbered(folder, SIZES)


def stream(folder, kind="none", **sections):
    return StreamExamples(ShardIndex.open(folder), Normaliser(kind), UNITS, shard_config(**sections))


def same(left, right):
    return left.ids == right.ids and torch.equal(left.features, right.features) and left.targets == right.targets


@pytest.mark.filterwarnings("ignore:This DataLoader will create")
@pytest.mark.parametrize("workers", range(4))
@pytest.mark.parametrize("ranks", range(1, 6))
def test_ranks_and_workers_together_see_everyone_once(folder, matrices, ranks, workers):
    examples = stream(folder, training={"workers": workers})
    plan = examples.plan(3).batches
    straight = [batch.ids for batch in stream(folder).batches(plan, 3)]
    seen = [None] * len(plan)
    for rank in range(ranks):
        seen[rank::ranks] = [batch.ids for batch in examples.batches(plan[rank::ranks], 3)]
    assert seen == straight
    assert sorted(name for names in straight for name in names) == sorted(matrices)


def test_a_batch_holds_what_was_written(folder, matrices):
    examples = stream(folder)
    for batch in examples.batches(examples.plan(0).batches, 0):
        for row, name in enumerate(batch.ids):
            length = int(batch.lengths[row])
            np.testing.assert_array_equal(batch.features[row, :length].numpy(), matrices[name])
            assert batch.features[row, length:].abs().sum() == 0
        assert batch.targets == [UNITS.encode("a")] * len(batch.ids)
        assert batch.seconds == pytest.approx(sum(len(matrices[name]) for name in batch.ids) / 100)


@pytest.mark.parametrize("workers", [0, 2])
def test_resuming_at_any_batch_gives_the_same_rest(folder, matrices, workers):
    examples = stream(folder, kind="utterance", training={"workers": workers})
    everything = list(examples.batches(examples.plan(5).batches, 5))
    for position in range(0, len(everything), 1 if workers == 0 else 4):
        again = stream(folder, kind="utterance", training={"workers": workers})
        rest = list(again.batches(again.plan(5).batches[position:], 5))
        assert len(rest) == len(everything) - position
        assert all(same(left, right) for left, right in zip(rest, everything[position:], strict=True))


def test_a_list_of_chosen_batches_is_read_too(folder, matrices):
    examples = stream(folder)
    plan = examples.plan(2).batches
    everything = list(examples.batches(plan, 2))
    chosen = [plan[1], plan[4], plan[5]]
    assert [batch.ids for batch in examples.batches(chosen, 2)] == [everything[n].ids for n in (1, 4, 5)]
    assert list(examples.batches([], 2)) == []


def test_the_plan_says_what_it_costs(folder, matrices):
    plan = stream(folder).plan(1)
    assert plan.seconds == pytest.approx(sum(len(matrix) for matrix in matrices.values()) / 100)
    assert 0 <= plan.padding < 0.4
    assert sum(len(batch) for batch in plan.batches) == sum(SIZES)


def test_augmentation_is_that_of_stored_features(folder, matrices):
    """The same draws for the same id, seed and epoch as `Examples` makes."""
    from asr.features.augmentation.spec_augment import spec_augment
    from asr.seeding import generator_for

    examples = stream(folder)
    for batch in examples.batches(examples.plan(2).batches[:3], 2):
        for row, name in enumerate(batch.ids):
            generator = generator_for(examples.config.seed, "specaugment", 2, name)
            expected = spec_augment(torch.from_numpy(matrices[name]), examples.config.augmentation, generator)
            assert torch.equal(batch.features[row, : len(expected)], expected)


def test_only_what_is_left_is_read(folder, matrices, monkeypatch):
    """Resuming near the end must not read the beginning."""
    read = []
    ranges = Location.ranges

    def counted(self, file, begin, end):
        read.append(end - begin)
        return ranges(self, file, begin, end)

    monkeypatch.setattr(Location, "ranges", counted)
    examples = stream(folder, shards={"lanes": 1})
    plan = examples.plan(1).batches
    list(examples.batches(plan, 1))
    everything = sum(read)
    read.clear()
    list(examples.batches(plan[-1:], 1))
    assert 0 < sum(read) < everything / 4


def test_in_memory_is_never_more_than_a_window_a_lane(folder, matrices, monkeypatch):
    examples = stream(folder, shards={"lanes": 2, "window_utterances": 5})
    held = []
    original = StreamExamples._files

    def watched(self, window, positions):
        spans = original(self, window, positions)
        held.append(spans)
        assert sum(len(each) for each in held) <= 2 * 5
        return spans

    monkeypatch.setattr(StreamExamples, "_files", watched)
    assert sum(len(batch.ids) for batch in examples.batches(examples.plan(4).batches, 4)) == sum(SIZES)
    assert len(held) >= sum(SIZES) // 5
    assert not any(held)


def test_facts_and_shared_ids(folder, matrices):
    examples = stream(folder)
    facts = examples.facts()
    assert (facts.utterances, facts.speakers, facts.synthetic) == (sum(SIZES), 3, False)
    assert examples.shared_with(["utt-3", "dev-1", "utt-36", "utt-37"]) == ["utt-3", "utt-36"]
    assert examples.shared_with([]) == []


def test_a_corrupt_member_is_named_and_nothing_is_trained_on_it(tmp_path):
    write_numbered(tmp_path, [6])
    shard = tmp_path / "shard-000000.tar"
    data = bytearray(shard.read_bytes())
    data[int(ShardIndex.open(tmp_path).members(0)["offset"][4]) + 1800] ^= 1
    shard.write_bytes(data)
    examples = stream(tmp_path)
    with pytest.raises(CorpusError, match=r"shard-000000\.tar, byte \d+: 'utt-4' is damaged"):
        list(examples.batches(examples.plan(0).batches, 0))


def test_a_tar_cut_in_the_middle_is_named(tmp_path):
    write_numbered(tmp_path, [6])
    shard = tmp_path / "shard-000000.tar"
    shard.write_bytes(shard.read_bytes()[:5000])
    examples = stream(tmp_path)
    with pytest.raises(CorpusError, match=r"shard-000000\.tar: ends at byte 5000"):
        list(examples.batches(examples.plan(0).batches, 0))


def test_a_shard_put_in_anothers_place_is_noticed(tmp_path):
    write_numbered(tmp_path / "a", [6])
    write_numbered(tmp_path / "b", [6], ids=[f"other-{n}" for n in range(6)])
    (tmp_path / "b" / "shard-000000.tar").replace(tmp_path / "a" / "shard-000000.tar")
    examples = stream(tmp_path / "a")
    with pytest.raises(CorpusError, match="is damaged"):
        list(examples.batches(examples.plan(0).batches, 0))


def test_other_features_speeds_units_and_lengths_are_refused_at_once(folder, matrices, tmp_path):
    with pytest.raises(FeatureError, match="computed with other settings"):
        stream(folder, features={"mel_bins": 8, "preemphasis": 0.5})
    with pytest.raises(FeatureError, match=r"do not hold speed 0\.9"):
        stream(folder, augmentation={"speeds": [0.9, 1.0]})
    with pytest.raises(TrainingError, match=r"shard-00000\d\.tar: holds 0\.\d s in one utterance"):
        stream(folder, batching={"seconds": 0.2})
    write_numbered(tmp_path / "x", [3], text="xa")
    with pytest.raises(UnitsError, match=r"shard-000000\.tar: has 'x' outside the units"):
        stream(tmp_path / "x")
    write_numbered(tmp_path / "long", [3], text="abcd" * 20)
    with pytest.raises(TrainingError, match=r"3 utterance\(s\): cannot emit .*utt-0 \(\d+ frames, needs 80\)"):
        stream(tmp_path / "long")


def test_a_text_that_only_words_can_spell_in_time_is_read_before_it_is_judged(tmp_path):
    from asr.units import Units

    write_numbered(tmp_path, [3], text="abcd" * 20)
    words = Units("words", ["<blank>", "<unk>", "abcd" * 20])
    examples = StreamExamples(ShardIndex.open(tmp_path), Normaliser("none"), words, shard_config())
    assert next(iter(examples.batches(examples.plan(0).batches, 0))).targets[0] == [2]


def test_a_set_without_index_or_with_another_sets_members_is_refused(folder, matrices, tmp_path):
    with pytest.raises(CorpusError, match=r"index\.json: does not exist"):
        open_stream(tmp_path, UNITS, shard_config())
    write_numbered(tmp_path / "a", [4])
    (tmp_path / "a" / MEMBERS).write_bytes(b"")
    with pytest.raises(CorpusError, match=r"members\.bin: does not belong to the index\.json"):
        open_stream(tmp_path / "a", UNITS, shard_config())
    (tmp_path / "a" / "index.json").write_text("{}")
    with pytest.raises(CorpusError, match=r"index\.json: is not an index of shards"):
        open_stream(tmp_path / "a", UNITS, shard_config())


def test_global_normalisation_needs_the_statistics_beside_the_shards(folder, matrices):
    with pytest.raises(FeatureError, match=r"global\.npz: there are no normalisation statistics"):
        open_stream(folder, UNITS, shard_config(features={"normalisation": "global"}))


@pytest.fixture
def sounding(tmp_path):
    """Shards of audio, and the units that spell their texts."""
    data = write_audio_data(tmp_path / "data")
    write_shards(data / "train.jsonl", tmp_path / "shards", audio="flac", sample_rate=TOY_RATE, utterances=7)
    return tmp_path / "shards", Units.load(data / "units.txt")


@pytest.mark.parametrize("workers", [0, 2])
def test_features_left_to_the_training_process_are_those_of_the_loading_ones(sounding, workers):
    """What a GPU does for whole batches, done here by the CPU."""
    folder, units = sounding
    sections = {"augmentation": {"first_epoch": 1, "speeds": [0.9, 1.0], "gain": {"probability": 1.0}}}
    early = open_stream(folder, units, toy_audio_config(**sections))
    late = open_stream(folder, units, toy_audio_config(training={"workers": workers}, **sections))
    late.late = True
    for epoch in (0, 1):
        batches = list(early.batches(early.plan(epoch).batches, epoch))
        assert all(
            same(one, two) for one, two in zip(batches, late.batches(late.plan(epoch).batches, epoch), strict=True)
        )
    assert same(late.batch(late.plan(1).batches[2], 1), batches[2])


def test_the_number_of_threads_does_not_reach_the_bits_of_features(sounding):
    folder, units = sounding
    examples = open_stream(folder, units, toy_audio_config())
    one = list(examples.batches(examples.plan(0).batches, 0))
    threads = torch.get_num_threads()
    torch.set_num_threads(threads + 1)
    try:
        assert all(same(a, b) for a, b in zip(one, examples.batches(examples.plan(0).batches, 0), strict=True))
        assert torch.get_num_threads() == threads + 1
    finally:
        torch.set_num_threads(threads)


def test_audio_without_statistics_is_measured_for_global_normalisation(sounding, monkeypatch):
    from asr.batches import streamed as module

    folder, units = sounding
    config = toy_audio_config(features={"normalisation": "global"})
    examples = open_stream(folder, units, config)
    raw = open_stream(folder, units, toy_audio_config(features={"normalisation": "none"}))
    frames = torch.cat([raw_row for raw_row in rows(raw)])
    np.testing.assert_allclose(examples.normaliser.overall.mean, frames.mean(0), rtol=1e-4)
    np.testing.assert_allclose(examples.normaliser.overall.deviation, frames.std(0, correction=0), rtol=1e-3)
    assert examples.normaliser.overall.count == len(frames)
    monkeypatch.setattr(module, "OF_A_SET", 5)
    assert open_stream(folder, units, config).normaliser.overall.count < len(frames) / 2
    with pytest.raises(FeatureError, match="needs statistics of speakers"):
        open_stream(folder, units, toy_audio_config(features={"normalisation": "speaker"}))


def rows(examples):
    """The features of every utterance of the first epoch, without padding."""
    for batch in examples.batches(examples.plan(0).batches, 0):
        for row, length in enumerate(batch.lengths.tolist()):
            yield batch.features[row, :length]


def test_of_features_at_several_speeds_only_the_one_that_is_heard_is_kept(tmp_path):
    write_audio_data(tmp_path)
    compute = toy_audio_config().features
    compute_features(tmp_path / "train.jsonl", tmp_path / "store", compute, speeds=(0.9, 1.0, 1.1))
    write_shards(tmp_path / "train.jsonl", tmp_path / "shards", store=tmp_path / "store")
    config = toy_audio_config(features={"source": "store"}, augmentation={"speeds": [0.9, 1.0, 1.1], "first_epoch": 1})
    examples = open_stream(tmp_path / "shards", Units.load(tmp_path / "units.txt"), config)
    plan = examples._plan_of(5)
    heard = set()
    for window in plan.windows(0):
        for files in examples._files(window, np.arange(len(window.records))).values():
            assert len(files) == 2 and "json" in files
            heard |= files.keys() - {"json"}
    assert heard == {"sp0.9.npy", "npy", "sp1.1.npy"}
