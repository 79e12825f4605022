"""Dividing by whole speakers, the same way everywhere."""

from __future__ import annotations

from dataclasses import replace

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.splits import hold_out_speakers, sort_into_splits, stable_hash, with_dev, write_splits
from asr.corpus.utterance import Utterance
from asr.errors import CorpusError


def utterances(speakers: str, each: int = 3) -> list[Utterance]:
    return [Utterance(f"{s}{i}", f"/{s}{i}.wav", 0.0, 1.0, text="A", speaker=s) for s in speakers for i in range(each)]


def test_whole_speakers_are_held_out_from_each_group_in_turn():
    groups = dict.fromkeys("abcd", "f") | dict.fromkeys("efghijk", "m")
    kept, held = hold_out_speakers(utterances("abcdefghijk"), 10, groups)
    speakers = {u.speaker for u in held}
    assert not speakers & {u.speaker for u in kept}
    assert len(kept) + len(held) == 33
    assert len(held) == 12  # 4 whole speakers are the first to reach 10
    assert sum(groups[s] == "f" for s in speakers) == 2


def test_the_choice_does_not_depend_on_the_order_given():
    forward = hold_out_speakers(utterances("abcdefgh"), 6)[1]
    backward = hold_out_speakers(utterances("abcdefgh")[::-1], 6)[1]
    assert {u.id for u in forward} == {u.id for u in backward}


def test_one_speaker_always_remains():
    kept, held = hold_out_speakers(utterances("ab"), 100)
    assert len(kept) == len(held) == 3


def test_the_hash_is_fixed_for_all_time():
    """A changed hash would silently change every corpus prepared with it."""
    assert stable_hash("speaker") == 0xD850A88D914B700D  # printf speaker | b2sum -l 64
    assert stable_hash("a") != stable_hash("b")


def test_splits_are_written_in_order_and_counted(tmp_path):
    splits = {"train": utterances("b")[::-1], "dev": [], "test": utterances("c")}
    assert write_splits(tmp_path, splits) == {"train": 3, "dev": 0, "test": 3}
    assert [u.id for u in load_manifest(tmp_path / "train.jsonl")] == ["b0", "b1", "b2"]
    assert (tmp_path / "dev.jsonl").read_text() == ""


def test_doubled_ids_and_empty_splits_are_refused_before_writing(tmp_path):
    with pytest.raises(CorpusError, match="a0: stands in train and test"):
        write_splits(tmp_path, {"train": utterances("a"), "test": utterances("a")})
    with pytest.raises(CorpusError, match="the test split is empty"):
        write_splits(tmp_path, {"train": utterances("a"), "test": []})
    assert not list(tmp_path.iterdir())


def test_subsets_are_sorted_by_the_beginning_of_their_names():
    names = ["train-clean-5", "dev-clean-2", "validation.json", "test_eval92", "eval93", "notes"]
    assert sort_into_splits(names) == {
        "train": ["train-clean-5"],
        "dev": ["dev-clean-2", "validation.json"],
        "test": ["test_eval92", "eval93"],
    }


def test_a_corpus_without_dev_gets_one_from_train():
    splits = {"train": utterances("abcdefghij", 4), "dev": [], "test": utterances("z")}
    by_speaker = with_dev(splits)
    assert len({u.speaker for u in by_speaker["dev"]}) == 1
    assert not {u.speaker for u in by_speaker["dev"]} & {u.speaker for u in by_speaker["train"]}
    unknown = with_dev({**splits, "train": [replace(u, speaker="") for u in splits["train"]]})
    assert (len(unknown["train"]), len(unknown["dev"])) == (38, 2)
    given_dev = {**splits, "dev": utterances("y")}
    assert with_dev(given_dev) == given_dev
