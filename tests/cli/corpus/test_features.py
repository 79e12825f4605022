"""`asr features` from the command line: what it prints and how it exits."""

import numpy as np
import pytest
import soundfile

from asr.__main__ import run
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.features.store import FeatureStore


@pytest.fixture
def manifest(tmp_path):
    for name in ("a", "b"):
        soundfile.write(tmp_path / f"{name}.wav", 0.1 * np.random.default_rng(0).standard_normal(8000), 8000)
    write_manifest(tmp_path / "m.jsonl", [Utterance(name, f"{name}.wav", 0.0, 1.0) for name in ("a", "b")])
    return tmp_path / "m.jsonl"


def arguments(manifest, *more):
    return ["features", str(manifest), "--out", str(manifest.parent / "out"), *more]


def test_computes_then_finds_it_up_to_date(manifest, capsys):
    command = arguments(manifest, "--speeds", "0.9,1.0", "--set", "features.mel_bins=24", "--nj", "2")
    assert run(command) == 0
    assert "4 utterances" in capsys.readouterr().out
    store = FeatureStore.open(manifest.parent / "out")
    assert list(store) == ["sp0.9-a", "a", "sp0.9-b", "b"] and store["a"].shape == (98, 24)
    assert run(command) == 0
    assert "up to date" in capsys.readouterr().out
    assert run([*command, "--force"]) == 0
    assert "computed" in capsys.readouterr().out


def test_the_configuration_file_is_used(manifest, capsys):
    (manifest.parent / "conf.yaml").write_text("features:\n  sample_rate: 8000\n  mel_bins: 23\n")
    assert run(arguments(manifest, "--config", str(manifest.parent / "conf.yaml"))) == 0
    assert FeatureStore.open(manifest.parent / "out").config.sample_rate == 8000


def test_bad_audio_fails_with_its_name_and_skipping_is_not_a_success(manifest, capsys):
    (manifest.parent / "b.wav").write_bytes(b"")
    assert run(arguments(manifest)) == 1
    assert "utterance b" in capsys.readouterr().err
    assert run(arguments(manifest, "--skip-bad")) == 1
    printed = capsys.readouterr()
    assert "skipped b:" in printed.out and "1 utterances" in printed.out


@pytest.mark.parametrize(
    "more", [["--nj", "0"], ["--speeds", "fast"], ["--set", "features.bins=3"], ["--unknown"], ["--set", "features"]]
)
def test_usage_errors_exit_with_2(manifest, more, capsys):
    assert run(arguments(manifest, *more)) == 2
    assert capsys.readouterr().err


def test_a_missing_manifest_is_one_line(tmp_path, capsys):
    assert run(["features", str(tmp_path / "none.jsonl"), "--out", str(tmp_path / "out")]) == 1
    assert capsys.readouterr().err.strip().splitlines()[-1].startswith("asr: error: ")
