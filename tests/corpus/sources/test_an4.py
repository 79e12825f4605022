"""AN4: the official split, and dev speakers that training never hears."""

from __future__ import annotations

import pytest
import soundfile

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.an4 import prepare
from asr.errors import CorpusError


@pytest.fixture
def tiny_an4(tmp_path, make_audio):
    """Six training speakers of three utterances and one test speaker, in the corpus's own layout."""
    corpus = tmp_path / "an4"
    lines = {"train": [], "test": []}
    names = {"train": [], "test": []}
    for split, folder, speakers in [("train", "an4_clstk", "fa fb fc ma mb mc"), ("test", "an4test_clstk", "mz")]:
        for speaker in speakers.split():
            for number in range(3):
                identifier = f"an{number}-{speaker}-b"
                names[split].append(f"{folder}/{speaker}/{identifier}")
                words = "RUBOUT g M" if number else "YES"
                lines[split].append(
                    f"<s> {words} </s> ({identifier})" if split == "train" else f"{words} ({identifier})"
                )
                make_audio(corpus / "wav" / folder / speaker / f"{identifier}.wav", 0.1 + number / 10)
        (corpus / "etc").mkdir(exist_ok=True)
        (corpus / "etc" / f"an4_{split}.fileids").write_text("\n".join(names[split]) + "\n")
        (corpus / "etc" / f"an4_{split}.transcription").write_text("\n".join(lines[split]) + "\n")
    return corpus


def test_texts_durations_and_speakers(tiny_an4, tmp_path, monkeypatch):
    monkeypatch.setattr("asr.corpus.sources.an4.DEV_UTTERANCES", 6)
    assert prepare(tiny_an4, tmp_path / "out") == {"train": 12, "dev": 6, "test": 3}
    train, dev, test = (load_manifest(tmp_path / "out" / f"{name}.jsonl") for name in ("train", "dev", "test"))
    assert {u.text for u in train} == {"YES", "RUBOUT G M"}  # sentence marks gone, upper case
    assert test[2].id == "an2-mz-b"
    assert test[2].duration == pytest.approx(0.3)
    assert {u.speaker[0] for u in dev} == {"f", "m"}
    assert not {u.speaker for u in dev} & {u.speaker for u in train}


def test_repeating_gives_the_same_bytes(tiny_an4, tmp_path):
    for out in ("one", "two"):
        prepare(tiny_an4, tmp_path / out)
    for name in ("train", "dev", "test"):
        assert (tmp_path / "one" / f"{name}.jsonl").read_bytes() == (tmp_path / "two" / f"{name}.jsonl").read_bytes()


def test_flac_and_sphere_serve_as_well_as_wav(tiny_an4, tmp_path):
    prepare(tiny_an4, tmp_path / "wav")
    for number, path in enumerate(sorted(tiny_an4.rglob("*.wav"))):
        samples, rate = soundfile.read(path, dtype="int16")
        suffix, container = (".flac", "FLAC") if number % 2 else (".sph", "NIST")
        soundfile.write(path.with_suffix(suffix), samples, rate, format=container, subtype="PCM_16")
        path.unlink()
    prepare(tiny_an4, tmp_path / "other")
    before, after = (load_manifest(tmp_path / name / "train.jsonl") for name in ("wav", "other"))
    assert [(u.id, u.text, u.duration) for u in before] == [(u.id, u.text, u.duration) for u in after]
    assert {u.audio[-4:] for u in after} == {"flac", ".sph"}


def test_missing_parts_are_named(tiny_an4, tmp_path):
    next(tiny_an4.rglob("an1-mb-b.wav")).unlink()
    with pytest.raises(CorpusError, match=r"an1-mb-b: has no audio \(.wav, .flac, .sph\)"):
        prepare(tiny_an4, tmp_path / "out")
    with pytest.raises(CorpusError, match=r"an4_train\.transcription: cannot be read"):
        prepare(tmp_path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_real_corpus_has_its_official_counts(real_corpus, tmp_path):
    counts = prepare(real_corpus("an4"), tmp_path)
    train, dev, test = (load_manifest(tmp_path / f"{name}.jsonl") for name in ("train", "dev", "test"))
    assert counts["train"] + counts["dev"] == 948
    assert counts["test"] == 130
    assert sum(len(u.text.split()) for u in test) == 773
    assert len({u.speaker for u in train + dev}) == 74
    assert len({u.speaker for u in test}) == 10
    assert 55 <= len(dev) <= 75
    assert {u.speaker[0] for u in dev} == {"f", "m"}
    assert not {u.speaker for u in train} & {u.speaker for u in dev + test}
    assert sum(u.duration for u in train + dev) / 60 == pytest.approx(42.4, abs=0.1)
