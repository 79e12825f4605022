"""The index: opened in whole or refused, read by shard and in blocks, doubled ids found in bounded memory."""

import json
import pickle

import numpy as np
import pytest
from tests_shards import shard_config, write_numbered

from asr.errors import CorpusError
from asr.packed import id_hash
from asr.shards.index import INDEX, MEMBERS, ShardIndex, doubled_hashes, member_type
from asr.shards.indexing import index_shards, refuse_doubled_ids
from asr.shards.samples import utterance_at, utterance_with

SIZES = [5, 1, 8]


@pytest.fixture
def folder(tmp_path):
    write_numbered(tmp_path, SIZES)
    return tmp_path


def test_the_index_tells_what_is_there_without_a_tar(folder):
    for tar in folder.glob("*.tar"):
        tar.unlink()
    index = ShardIndex.open(folder)
    assert len(index) == 14
    assert [shard.utterances for shard in index.entry.shards] == SIZES
    assert index.entry.payload == "npy"
    assert index.entry.rate == 100
    assert index.entry.speakers == 3
    assert {shard.characters for shard in index.entry.shards} == {"a"}
    lengths = np.concatenate([index.members(number)["length"][:, 0] for number in range(3)])
    assert index.entry.seconds == pytest.approx(lengths.sum() / 100)
    assert [shard.longest for shard in index.entry.shards] == [
        index.members(number)["length"].max() / 100 for number in range(3)
    ]


def test_records_are_found_by_shard_by_number_and_in_blocks(folder, monkeypatch):
    from asr.shards import index as shard_index

    index = ShardIndex.open(folder)
    everything = np.concatenate([index.members(number) for number in range(3)])
    assert everything["id"].tolist() == [id_hash(f"utt-{number}") for number in range(14)]
    np.testing.assert_array_equal(index.members(2, 3, 5), everything[9:11])
    monkeypatch.setattr(shard_index, "BLOCK", 4)
    assert [len(block) for block in index.blocks()] == [4, 4, 4, 2]
    np.testing.assert_array_equal(np.concatenate(list(index.blocks())), everything)
    assert [index.place(number) for number in (0, 4, 5, 6, 13)] == [(0, 0), (0, 4), (1, 0), (2, 0), (2, 7)]
    assert utterance_at(index, 2, 3).id == "utt-9"


def test_an_index_can_be_sent_to_another_process(folder):
    index = ShardIndex.open(folder)
    sent = pickle.loads(pickle.dumps(index))
    np.testing.assert_array_equal(sent.members(1), index.members(1))
    assert sent.identity == index.identity


def test_identity_changes_with_the_contents(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_numbered(other, [5, 1, 7])
    assert ShardIndex.open(folder).identity == ShardIndex.open(folder).identity
    assert ShardIndex.open(folder).identity != ShardIndex.open(other).identity


@pytest.mark.parametrize(
    "spoil",
    [
        lambda entry: entry.update(format=2),
        lambda entry: entry.pop("shards"),
        lambda entry: entry["shards"][0].update(name="../../secret.tar"),
        lambda entry: entry["shards"][0].update(surprise=1),
        lambda entry: entry.update(payload="mp3"),
        lambda entry: entry.update(shards=[]),
    ],
)
def test_an_index_of_another_form_is_refused(folder, spoil):
    entry = json.loads((folder / INDEX).read_text())
    spoil(entry)
    (folder / INDEX).write_text(json.dumps(entry))
    with pytest.raises(CorpusError, match=r"index\.json: is not an index of shards"):
        ShardIndex.open(folder)


def test_members_that_do_not_belong_to_the_index_are_refused(folder):
    (folder / MEMBERS).write_bytes((folder / MEMBERS).read_bytes()[:-1])
    with pytest.raises(CorpusError, match=r"members\.bin: does not belong"):
        ShardIndex.open(folder)
    (folder / MEMBERS).unlink()
    with pytest.raises(CorpusError, match=r"members\.bin: does not exist"):
        ShardIndex.open(folder)


def test_making_the_index_anew_gives_the_same_index(folder):
    before = (folder / INDEX).read_text(), (folder / MEMBERS).read_bytes()
    (folder / INDEX).unlink()
    (folder / MEMBERS).unlink()
    index_shards(folder, shard_config().features)
    assert ((folder / INDEX).read_text(), (folder / MEMBERS).read_bytes()) == before


def test_features_without_their_configuration_cannot_be_indexed(folder):
    with pytest.raises(CorpusError, match=r"utt-0: holds features.*name their --config"):
        index_shards(folder)


def test_a_folder_without_tars_cannot_be_indexed(tmp_path):
    with pytest.raises(CorpusError, match=r"holds no \.tar files"):
        index_shards(tmp_path)


def test_a_cut_tar_leaves_no_index(folder):
    tar = folder / "shard-000002.tar"
    tar.write_bytes(tar.read_bytes()[:6000])
    with pytest.raises(CorpusError, match=r"shard-000002\.tar: is cut at byte 6000"):
        index_shards(folder, shard_config().features)
    assert not (folder / INDEX).exists()


@pytest.mark.parametrize("ids", [["a", "b", "a"], ["b", "x", "x"]])
def test_doubled_ids_are_refused_when_written(tmp_path, ids):
    with pytest.raises(CorpusError, match=rf"{max(ids, key=ids.count)}: is (in shard|twice in shard)"):
        write_numbered(tmp_path, [2, 1] if ids[0] == "a" else [1, 2], ids=ids)
    assert not (tmp_path / INDEX).exists()


def test_ids_whose_hashes_collide_are_not_doubled(folder, monkeypatch):
    from asr.shards import indexing as shard_indexing
    from asr.shards import samples as shard_samples

    index = ShardIndex.open(folder)
    records = np.fromfile(index.path, index.type)
    records["id"][3] = records["id"][9] = 17
    records.tofile(index.path)
    assert doubled_hashes(index) == [17]
    monkeypatch.setattr(shard_samples, "id_hash", lambda id: 17)
    assert [utterance.id for _, utterance in utterance_with(index, {17})] == ["utt-3", "utt-9"]
    shard_indexing.refuse_doubled_ids(index)  # different ids: nothing is raised


@pytest.mark.parametrize("most", [1, 3, 100])
def test_doubled_hashes_are_found_in_any_number_of_parts(folder, most):
    index = ShardIndex.open(folder)
    records = np.fromfile(index.path, index.type)
    records["id"][[2, 7, 13]] = 5
    records["id"][[0, 1]] = 2**63 + 9
    records.tofile(index.path)
    assert sorted(doubled_hashes(index, most)) == [5, 2**63 + 9]
    refuse = ShardIndex(index.location, index.entry, index.path)
    refuse_doubled_ids(refuse)  # the shards themselves hold different ids


def test_a_record_is_as_small_as_it_is_said_to_be():
    assert member_type(1).itemsize == 32
    assert member_type(3).itemsize == 40
