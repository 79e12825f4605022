"""LibriSpeech: any subset, audio of any suffix, dev held out by speaker where no dev subset is given."""

from __future__ import annotations

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.librispeech import prepare
from asr.errors import CorpusError

SPEAKERS = {"train-clean-5": ("11", "22", "33", "44"), "dev-clean-2": ("55",), "test-clean": ("66",)}


@pytest.fixture
def tiny_librispeech(tmp_path, make_audio):
    root = tmp_path / "corpus" / "LibriSpeech"
    for subset, speakers in SPEAKERS.items():
        for speaker in speakers:
            chapter = root / subset / speaker / "7"
            for number in range(3):
                suffix = ".flac" if number else ".wav"
                make_audio(chapter / f"{speaker}-7-{number:04d}{suffix}", 0.1)
            lines = [f"{speaker}-7-{number:04d} IT'S  CHAPTER SEVEN\n" for number in range(3)]
            (chapter / f"{speaker}-7.trans.txt").write_text("".join(lines))
    rows = [";ID |SEX| SUBSET", "11 | F | x | 1", "22 | M | x | 1", "33 | F | x | 1", "44 | M | x | 1"]
    (root / "SPEAKERS.TXT").write_text("\n".join(rows))
    return tmp_path / "corpus"


def test_subsets_go_by_their_names(tiny_librispeech, tmp_path):
    assert prepare(tiny_librispeech, tmp_path / "out") == {"train": 12, "dev": 3, "test": 3}
    test = load_manifest(tmp_path / "out" / "test.jsonl")
    assert (test[0].id, test[0].speaker, test[0].text) == ("66-7-0000", "66", "IT'S CHAPTER SEVEN")
    assert {u.audio[-5:] for u in test} == {".flac", "0.wav"}
    assert test[0].duration == pytest.approx(0.1)


def test_chosen_subsets_and_a_manifest_for_each(tiny_librispeech, tmp_path):
    counts = prepare(
        tiny_librispeech / "LibriSpeech", tmp_path, train=["train-clean-5"], test=["dev-clean-2", "test-clean"]
    )
    assert counts == {"train": 9, "dev": 3, "test": 6}  # one of four training speakers held out
    assert len(load_manifest(tmp_path / "train-clean-5.jsonl")) == 12
    assert len(load_manifest(tmp_path / "test-clean.jsonl")) == 3
    dev, train = ({u.speaker for u in load_manifest(tmp_path / f"{name}.jsonl")} for name in ("dev", "train"))
    assert len(dev) == 1
    assert not dev & train


def test_missing_subset_or_audio_is_named(tiny_librispeech, tmp_path):
    with pytest.raises(CorpusError, match=r"train-clean-9: holds no transcripts"):
        prepare(tiny_librispeech, tmp_path / "out", train=["train-clean-9"], test=["test-clean"])
    next(tiny_librispeech.rglob("22-7-0001.flac")).unlink()
    with pytest.raises(CorpusError, match="22-7-0001: has no audio"):
        prepare(tiny_librispeech, tmp_path / "out")


def test_the_real_subset_has_its_count(real_corpus, tmp_path):
    counts = prepare(real_corpus("librispeech"), tmp_path, train=["train-clean-5"], test=["test-clean-a"])
    assert counts["train"] + counts["dev"] == 1519
    everyone = load_manifest(tmp_path / "train-clean-5.jsonl")
    assert len({u.speaker for u in everyone}) == 28
    assert sum(u.duration for u in everyone) / 3600 == pytest.approx(5.31, abs=0.01)
    assert len({u.speaker for u in load_manifest(tmp_path / "test.jsonl")}) == 20
