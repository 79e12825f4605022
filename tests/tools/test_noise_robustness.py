"""The tool that scores models against noise: the ratios are right, the noises comparable, the table honest."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_model import RATE, sounds, write_model
from tests_waves import decibels, power, write_noises

from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.features.augmentation.sound_folder import SoundFolder

PATH = Path(__file__).parents[2] / "tools" / "noise_robustness.py"
SPEC = importlib.util.spec_from_file_location("noise_robustness", PATH)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


@pytest.fixture
def folder(tmp_path):
    """A model, a test set of six utterances and three noises."""
    write_model(tmp_path / "model")
    write_noises(tmp_path / "noises", rate=RATE)
    utterances = []
    for number, wave in enumerate(sounds()):
        soundfile.write(tmp_path / f"u{number}.wav", wave, RATE, subtype="FLOAT")
        utterances.append(Utterance(f"u{number}", f"u{number}.wav", 0.0, len(wave) / RATE, text="ab cd"))
    write_manifest(tmp_path / "test.jsonl", utterances)
    return tmp_path


def run(folder, monkeypatch, *more):
    paths = {"--manifest": "test.jsonl", "--noise": "noises", "--model": "model"}
    options = [text for name, path in paths.items() for text in (name, str(folder / path))]
    monkeypatch.setattr("sys.argv", ["noise_robustness.py", *options, *more])
    return tool.main()


@pytest.mark.parametrize("snr", [20.0, 0.0, -5.0])
def test_noise_lies_at_the_ratio_and_is_the_same_at_every_ratio(folder, snr):
    noises = SoundFolder(folder / "noises", "*", RATE, 2**20)
    for utterance in load_manifest(folder / "test.jsonl"):
        clean, noisy, reference = (tool.noisy(utterance, RATE, noises, at, 1) for at in (tool.CLEAN, snr, 10.0))
        assert decibels(power(clean) / power(noisy - clean)) == pytest.approx(snr, abs=0.02)
        scale = 10 ** ((10.0 - snr) / 20)
        np.testing.assert_allclose(noisy - clean, scale * (reference - clean), atol=1e-5)


def test_the_seed_chooses_the_noise(folder):
    noises = SoundFolder(folder / "noises", "*", RATE, 2**20)
    utterance = load_manifest(folder / "test.jsonl")[0]
    one, again, other = (tool.noisy(utterance, RATE, noises, 5.0, seed) for seed in (1, 1, 2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


def test_the_table_repeats_and_its_counts_are_those_of_the_rows(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, "--snr", "10,0", "--json", str(folder / "rows.json")) == 0
    first = capsys.readouterr().out
    assert run(folder, monkeypatch, "--snr", "10,0") == 0
    assert capsys.readouterr().out == first
    assert "| clean | 10 dB | 0 dB |" in first
    rows = json.loads((folder / "rows.json").read_text())
    assert [row["case"] for row in rows] == ["clean", "snr_10_db", "snr_0_db"]
    cells = first.splitlines()[2].split("|")[2:5]
    for row, cell in zip(rows, cells, strict=True):
        rate, errors, words = float(cell.split()[0]), int(cell.split("(")[1].split("/")[0]), 12
        assert f"/ {words})" in cell
        assert rate == pytest.approx(100 * errors / words, abs=0.005) == pytest.approx(row["value"], abs=0.005)


def test_a_missing_noise_folder_is_named(folder, monkeypatch, capsys):
    assert run(folder, monkeypatch, "--pattern", "9*") == 1
    assert "holds no audio files that match '9*'" in capsys.readouterr().err
