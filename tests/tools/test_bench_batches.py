"""The benchmark of many utterances at once: its clock, and a small run of it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asr.decoding.results.hypothesis import Hypothesis
from asr.errors import DecodingError

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"


@pytest.fixture
def batches(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("batches")


def test_texts_are_timed_while_they_are_made(batches):
    now = [5.0]

    def made():
        for index in range(3):
            now[0] += 2.0
            yield f"u{index}", [Hypothesis(f"text {index}", 0.0), Hypothesis("rival", -1.0)]

    texts, seconds = batches.timed(made(), lambda: now[0])
    assert seconds == 6.0
    assert list(texts.values()) == ["text 0", "text 1", "text 2"]


def test_an_utterance_that_fails_ends_the_benchmark(batches):
    with pytest.raises(DecodingError, match="no reading"):
        batches.timed([("u", DecodingError("frame 3", "leaves no reading", "widen the beam"))], lambda: 0.0)


def test_texts_that_differ_are_counted(batches):
    assert batches.same_texts({"0": "a b", "1": "c"}, {"0": "a b", "1": "d"}) == ("same_texts", 50.0, "%")


@pytest.mark.slow
def test_a_small_run_writes_a_row_for_every_way(batches, tmp_path, monkeypatch):
    posteriors = importlib.import_module("synthetic_posteriors")
    monkeypatch.setattr(posteriors, "SENTENCES", 600)
    posteriors.make(tmp_path, "characters", 3, 1)
    files = [str(tmp_path / "log_probs.npz"), "--lm", str(tmp_path / "lm.arpa"), "--json", str(tmp_path / "rows.json")]
    options = ["--beam", "4", "--processes", "2", "--rounds", "1", "--times", "2"]
    command = [sys.executable, str(BENCH / "batches.py"), *files, *options]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = json.loads((tmp_path / "rows.json").read_text())
    figures = {(row["case"], row["system"], row["metric"]): row["value"] for row in rows}
    assert {system for _, system, _ in figures} == {"ours", "ours, 2 processes"}
    assert figures["log_probs, LM", "ours, 2 processes", "same_texts"] == 100.0
    assert all(value > 0.0 for (_, _, metric), value in figures.items() if metric != "further_wall_ms_per_utterance")
    assert "ours, 2 processes" in output
