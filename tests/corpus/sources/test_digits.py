"""The synthetic digits: disjoint voices, varied recordings, same seed same bytes, labelled as synthetic."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr.audio.reading import audio_info, read_audio
from asr.corpus.manifest import load_manifest
from asr.corpus.sources.digits import ACCENTS, prepare, split_voices
from asr.errors import UsageError

pytest.importorskip("espeakng_loader")
SIZES = {"train": 24, "dev": 5, "test": 9}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("digits")
    assert prepare(folder, **SIZES, seed=3) == SIZES
    return folder


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_fresh_process_makes_the_same_bytes(corpus, tmp_path):
    script = f"from asr.corpus.sources.digits import prepare; prepare({str(tmp_path)!r}, **{SIZES}, seed=3)"
    subprocess.run([sys.executable, "-c", script], check=True)
    assert files(tmp_path) == files(corpus)


def test_a_split_does_not_depend_on_the_size_of_another(corpus, tmp_path):
    """A larger training set keeps the test set as it was, and begins with the smaller training set."""
    prepare(tmp_path, train=26, dev=1, test=9, seed=3)
    small, large = files(corpus), files(tmp_path)
    assert large["test.jsonl"] == small["test.jsonl"]
    assert large["audio/digits-train-00023.flac"] == small["audio/digits-train-00023.flac"]


def test_another_seed_makes_another_corpus(corpus, tmp_path):
    prepare(tmp_path, **SIZES, seed=4)
    texts = [[u.text for u in load_manifest(folder / "train.jsonl")] for folder in (corpus, tmp_path)]
    assert texts[0] != texts[1]


def test_repeating_keeps_what_is_there(corpus):
    before = (corpus / "audio").stat().st_ino
    assert prepare(corpus, **SIZES, seed=3) == SIZES
    assert (corpus / "audio").stat().st_ino == before


def test_a_missing_recording_is_spoken_again(tmp_path):
    sizes = {"train": 2, "dev": 1, "test": 1}
    prepare(tmp_path, **sizes)
    before = files(tmp_path)
    (tmp_path / "audio" / "digits-train-00001.flac").unlink()
    prepare(tmp_path, **sizes)
    assert files(tmp_path) == before


def test_voices_are_many_and_disjoint():
    voices = split_voices(seed=1)
    everyone = [voice for split in voices.values() for voice in split]
    assert len(everyone) == len(set(everyone)) >= 60
    assert min(len(split) for split in voices.values()) >= 6
    family = {"iven", "iven2", "iven3", "iven4"}  # one voice in four settings
    assert sum(bool(family & set(split)) for split in voices.values()) == 1


def test_manifests_say_what_the_audio_is(corpus):
    utterances = [u for name in SIZES for u in load_manifest(corpus / f"{name}.jsonl")]
    for utterance in utterances:
        assert utterance.extra["synthetic"] is True
        assert utterance.extra["accent"] in ACCENTS
        assert utterance.speaker == utterance.extra["voice"]
        info = audio_info(utterance.audio)
        assert (info.sample_rate, info.channels) == (16000, 1)
        assert info.duration == pytest.approx(utterance.duration, abs=1e-4)
        assert 1 <= len(utterance.text.split()) <= 7
    assert {len(u.text.split()) for u in utterances} >= {1, 2, 3, 4, 5, 6, 7}
    assert len({word for u in utterances for word in u.text.split()}) == 10
    assert len({u.extra["accent"] for u in utterances}) > 4


def test_levels_and_noise_vary(corpus):
    """The first tenth of a second is background alone."""
    audio = [read_audio(u.audio, sample_rate=16000) for u in load_manifest(corpus / "train.jsonl")]
    peaks = np.array([np.abs(samples).max() for samples in audio])
    floors = np.array([np.sqrt(np.mean(samples[:1600] ** 2)) for samples in audio])
    assert peaks.max() / peaks.min() > 3
    assert peaks.max() <= 1.0
    assert (floors / peaks).max() / (floors / peaks).min() > 5


def test_a_split_of_nothing_is_refused(tmp_path):
    with pytest.raises(UsageError, match="at least one in each split"):
        prepare(tmp_path, train=0)
