"""The tool that measures memory against hours: its corpora are what training reads, its peaks those of one process."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile

from asr.config.experiment import ExperimentConfig
from asr.corpus.manifest import load_manifest
from asr.corpus.validation import validate
from asr.features.store import FeatureStore
from asr.training.checks.data import check_targets
from asr.units import Units

PATH = Path(__file__).parents[2] / "tools" / "memory.py"
SPEC = importlib.util.spec_from_file_location("memory", PATH)
tool = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(tool)


def sets(folder):
    return [load_manifest(folder / f"{name}.jsonl") for name in ("train", "dev")]


@pytest.mark.parametrize("system", tool.SOURCES)
def test_a_corpus_has_what_training_reads(tmp_path, system):
    tool.write(tmp_path, 20, system)
    assert Units.load(tmp_path / "units.txt").kind == "characters"
    assert (tmp_path / "train.jsonl").exists() is (system != "shards")
    assert (tmp_path / "shards" / "train").exists() is (system == "shards")
    if system != "shards":
        train, dev = sets(tmp_path)
        assert (len(train), len(dev)) == (20, 4)


def test_recordings_have_names_of_their_own_and_hold_their_spans(tmp_path):
    tool.write(tmp_path, 20, "audio")
    train, _ = sets(tmp_path)
    assert len({each.audio for each in train}) == 20
    seconds = soundfile.info(train[0].audio).duration
    assert all(each.start + each.duration <= seconds + 0.01 for each in train)
    assert not list(validate(tmp_path / "train.jsonl", units=Units.load(tmp_path / "units.txt")))


def test_stored_features_differ_and_say_something(tmp_path):
    """Otherwise the plan would find offences in every utterance, and what it keeps of them would be measured."""
    tool.write(tmp_path, 60, "plan")
    config = ExperimentConfig.model_validate(tool.configuration("plan"))
    stores = tuple(FeatureStore.open(tmp_path / "features" / name, config.features) for name in ("train", "dev"))
    found = check_targets(*sets(tmp_path), Units.load(tmp_path / "units.txt"), config, stores)
    assert (found.train, found.dev, found.foreign) == ([], [], {})


def test_the_peak_is_that_of_a_process_of_its_own(tmp_path):
    tool.write(tmp_path, 12, "audio")
    assert 100 < tool._measure(str(tmp_path), "audio", 1) < 4000
    metrics = (tmp_path / "exp" / "metrics.jsonl").read_text()
    assert '"dev"' not in metrics, "training ended when its one update was done"


def test_the_table_has_a_row_for_every_number_of_hours_and_system(tmp_path, monkeypatch, capsys):
    measured = []

    def peak(folder, system, updates):
        measured.append((len(sets(Path(folder))[0]), system, updates))
        return 700.0 + len(measured)

    monkeypatch.setattr(tool, "_measure", peak)
    arguments = ["--hours", "0.05", "0.1", "--systems", "audio", "plan", "--json", str(tmp_path / "rows.json")]
    monkeypatch.setattr(sys, "argv", ["memory.py", *arguments, "--work", str(tmp_path)])
    tool.main()
    warm_up, rest = measured[:2], measured[2:]
    assert [system for _, system, _ in warm_up] == ["audio", "plan"]
    assert rest == [(18, "audio", 20), (18, "plan", 20), (36, "audio", 20), (36, "plan", 20)]
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [(row["case"], row["value"]) for row in rows] == [
        ("training 0.05 h from audio", 703.0),
        ("planning 0.05 h from store", 704.0),
        ("training 0.1 h from audio", 705.0),
        ("planning 0.1 h from store", 706.0),
    ]
    assert {(row["system"], row["metric"], row["unit"]) for row in rows} == {("ours", "peak_mb", "MB")}
    assert capsys.readouterr().out.splitlines()[-1].split() == ["plan", "0.1", "36", "706"]


def test_a_system_it_does_not_know_is_refused(tmp_path):
    command = [sys.executable, str(PATH), "--systems", "tape"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2 and "tape" in done.stderr
