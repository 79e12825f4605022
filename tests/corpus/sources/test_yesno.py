"""yesno: labels from names, every second recording for test."""

from __future__ import annotations

import itertools

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.yesno import prepare
from asr.errors import CorpusError


@pytest.fixture
def tiny_yesno(tmp_path, make_audio):
    names = ["_".join(labels) for labels in itertools.product("01", repeat=8)]
    for name in names[::4][:60]:
        make_audio(tmp_path / "yesno" / "waves_yesno" / f"{name}.wav", 0.05)
    return tmp_path / "yesno"


def test_split_and_texts(tiny_yesno, tmp_path):
    assert prepare(tiny_yesno, tmp_path / "out") == {"train": 24, "dev": 6, "test": 30}
    train, dev, test = (load_manifest(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "dev", "test"))
    ordered = sorted(path.stem for path in tiny_yesno.rglob("*.wav"))
    assert [u.id for u in test] == ordered[1::2]
    assert sorted(u.id for u in train + dev) == ordered[::2]
    assert train[0].id == "0_0_0_0_0_0_0_0"
    assert train[0].text == "NO NO NO NO NO NO NO NO"
    assert test[0].text == "NO NO NO NO NO YES NO NO"


def test_the_inner_folder_serves_too(tiny_yesno, tmp_path):
    assert prepare(tiny_yesno / "waves_yesno", tmp_path / "out")["test"] == 30


def test_an_incomplete_or_foreign_corpus_is_refused(tiny_yesno, tmp_path):
    one = next(tiny_yesno.rglob("*.wav"))
    one.rename(one.with_name("hello.wav"))
    with pytest.raises(CorpusError, match=r"hello\.wav: is not named by eight digits"):
        prepare(tiny_yesno, tmp_path / "out")
    one.with_name("hello.wav").unlink()
    with pytest.raises(CorpusError, match="holds 59 recordings, not 60"):
        prepare(tiny_yesno, tmp_path / "out")


def test_the_real_corpus(real_corpus, tmp_path):
    assert prepare(real_corpus("yesno"), tmp_path) == {"train": 24, "dev": 6, "test": 30}
    assert sum(len(u.text.split()) for u in load_manifest(tmp_path / "test.jsonl")) == 240
