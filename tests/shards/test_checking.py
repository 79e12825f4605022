"""Verifying shards: a sound set has no fault, and every kind of damage is found and named."""

import json

import numpy as np
import pytest
from tests_shards import UNITS, write_numbered

from asr.errors import CorpusError
from asr.shards.checking import check_shards
from asr.shards.index import INDEX, MEMBERS, ShardIndex

SIZES = [4, 6]


@pytest.fixture
def folder(tmp_path):
    write_numbered(tmp_path, SIZES)
    return tmp_path


def faults(folder, **options):
    return [str(fault) for fault in check_shards(folder, **options)]


def change_record(folder, number, **values):
    records = np.fromfile(folder / MEMBERS, ShardIndex.open(folder).type)
    for name, value in values.items():
        records[name][number] = value
    records.tofile(folder / MEMBERS)


def change_entry(folder, shard, **values):
    entry = json.loads((folder / INDEX).read_text())
    entry["shards"][shard].update(values)
    (folder / INDEX).write_text(json.dumps(entry))


def test_a_sound_set_has_no_fault(folder):
    assert faults(folder) == []
    assert faults(folder, units=UNITS) == []


def test_a_cut_tar_is_named_and_the_others_are_still_checked(folder):
    first, second = folder / "shard-000000.tar", folder / "shard-000001.tar"
    first.write_bytes(first.read_bytes()[:5000])
    data = bytearray(second.read_bytes())
    data[-2] ^= 1
    second.write_bytes(data)
    cut, changed = faults(folder)
    assert "shard-000000.tar: is cut at byte 5000, in or after sample 'utt-1'" in cut
    assert "shard-000001.tar: its SHA-256 is not the one in the index" in changed


def test_a_damaged_member_is_named(folder):
    shard = folder / "shard-000001.tar"
    data = bytearray(shard.read_bytes())
    place = int(ShardIndex.open(folder).members(1)["offset"][2])
    data[place + 2000] ^= 1  # inside the features of the third utterance
    shard.write_bytes(data)
    found = faults(folder)
    assert any("shard-000001.tar, utt-6: its bytes are not those that were written" in fault for fault in found)
    assert any("SHA-256" in fault for fault in found)


def test_a_missing_shard_and_a_longer_one_are_named(folder):
    (folder / "shard-000000.tar").unlink()
    with (folder / "shard-000001.tar").open("ab") as stream:
        stream.write(bytes(512))
    missing, longer = faults(folder)
    assert "shard-000000.tar: does not exist" in missing
    size = ShardIndex.open(folder).entry.shards[1].bytes
    assert f"shard-000001.tar: has {size + 512} bytes, the index says {size}" in longer


def test_lengths_durations_and_counts_are_compared(folder):
    change_record(folder, 1, length=999)
    (fault,) = faults(folder)
    assert "utt-1: has [" in fault
    assert "frames, the index says [999]" in fault
    write_numbered(folder, SIZES)
    change_entry(folder, 0, seconds=77.0)
    (fault,) = faults(folder)
    assert "the index says 77.00 s" in fault


def test_a_set_with_more_in_its_tar_than_in_its_index_is_found(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    write_numbered(other, [5, 6])
    (other / "shard-000000.tar").replace(folder / "shard-000000.tar")
    assert any("holds 5 utterances, the index says 4" in fault for fault in faults(folder))


def test_another_utterance_in_ones_place_is_found(folder):
    change_record(folder, 5, id=12345)
    (fault,) = faults(folder)
    assert "utt-5: is utt-5, which is not whom the index names" in fault


def test_records_that_point_elsewhere_are_found(folder):
    change_record(folder, 0, offset=512)
    assert "lies elsewhere than the index says" in faults(folder)[0]


def test_doubled_ids_are_found_also_across_shards(folder):
    change_record(folder, 9, id=int(ShardIndex.open(folder).members(0)["id"][0]))
    found = faults(folder)
    assert any("shard-000000.tar, utterance 0: its id is in the set more than once" in fault for fault in found)
    assert any("shard-000001.tar, utterance 5: its id is in the set more than once" in fault for fault in found)


def test_texts_are_held_against_the_units(tmp_path):
    write_numbered(tmp_path / "odd", [2], text="axa")
    assert "utt-0 has 'x' outside the units" in faults(tmp_path / "odd", units=UNITS)[0]
    write_numbered(tmp_path / "long", [2], text="abcd" * 10)
    assert "the text of utt-0 needs 40 frames and has" in faults(tmp_path / "long", units=UNITS)[0]
    assert faults(tmp_path / "long", units=UNITS, frame_seconds=0.001) == []
    assert faults(tmp_path / "long") == []


def test_features_that_are_not_finite_are_found(tmp_path, monkeypatch):
    import tests_shards

    def spoiled(matrix):
        from asr.shards.samples import pack_matrix

        matrix = matrix.copy()
        matrix[0, 0] = np.nan
        return pack_matrix(matrix)

    monkeypatch.setattr(tests_shards, "pack_matrix", spoiled)
    write_numbered(tmp_path, [1])
    (fault,) = [fault for fault in faults(tmp_path) if "finite" in fault]
    assert "utt-0: .npy holds values that are not finite" in fault


def test_without_an_index_there_is_nothing_to_verify_against(tmp_path):
    with pytest.raises(CorpusError, match=r"index\.json: does not exist"):
        faults(tmp_path)
