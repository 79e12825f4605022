"""FSDD: the official split by recording number, and folds with whole speakers held out."""

from __future__ import annotations

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.fsdd import prepare
from asr.errors import CorpusError, UsageError


@pytest.fixture
def tiny_fsdd(tmp_path, make_audio):
    for speaker in ("ann", "bob", "cy"):
        for digit in (0, 7):
            for number in range(30):
                make_audio(tmp_path / "fsdd" / "recordings" / f"{digit}_{speaker}_{number}.wav", 0.05)
    return tmp_path / "fsdd"


def test_official_split(tiny_fsdd, tmp_path):
    counts = prepare(tiny_fsdd, tmp_path / "out")
    train, dev, test = (load_manifest(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "dev", "test"))
    assert sum(counts.values()) == 180
    assert {int(u.id[-2:]) for u in test} == {0, 1, 2, 3, 4}
    assert {int(u.id[-2:]) for u in train + dev} == set(range(5, 30))
    assert {(u.id.split("-")[1], u.text) for u in train} == {("0", "ZERO"), ("7", "SEVEN")}
    assert 2 <= len(dev) <= 30
    sittings = {(u.speaker, u.id[-2:]) for u in dev}  # whole sittings are held out
    assert not sittings & {(u.speaker, u.id[-2:]) for u in train}


def test_held_out_speakers_are_never_trained_on(tiny_fsdd, tmp_path):
    assert prepare(tiny_fsdd, tmp_path / "out", held_out_speakers=["bob"])["test"] == 60
    train, dev, test = (load_manifest(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "dev", "test"))
    assert {u.speaker for u in test} == {"bob"}
    assert {u.speaker for u in train + dev} == {"ann", "cy"}


@pytest.mark.parametrize(
    ("speakers", "reason"), [(["dee"], "not in the corpus: dee"), (["ann", "bob", "cy"], "leave none to train on")]
)
def test_impossible_folds_are_refused(tiny_fsdd, tmp_path, speakers, reason):
    with pytest.raises(UsageError, match=f"{reason}.*choose some of ann bob cy"):
        prepare(tiny_fsdd, tmp_path / "out", held_out_speakers=speakers)


def test_a_foreign_file_or_an_empty_folder_is_named(tiny_fsdd, tmp_path, make_audio):
    make_audio(tiny_fsdd / "recordings" / "noise.wav", 0.1)
    with pytest.raises(CorpusError, match=r"noise\.wav: is not named DIGIT_SPEAKER_NUMBER"):
        prepare(tiny_fsdd, tmp_path / "out")
    with pytest.raises(CorpusError, match="holds no recordings"):
        prepare(tmp_path / "nowhere", tmp_path / "out")


def test_the_real_corpus_has_its_counts(real_corpus, tmp_path):
    official = prepare(real_corpus("fsdd"), tmp_path / "official")
    assert official["test"] == 300
    assert official["train"] + official["dev"] == 2700
    fold = prepare(real_corpus("fsdd"), tmp_path / "fold", held_out_speakers=["theo"])
    assert fold["test"] == 500
    assert fold["train"] + fold["dev"] == 2500
