"""The benchmark of boosted phrases: what it draws, and a small run of it."""

import importlib
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

pytestmark = pytest.mark.slow

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
UNITS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
LM = build_model(train_ngrams([["a", "b"], ["b", "ba", "a"], ["x"]] * 3, order=2))


@pytest.fixture
def phrases(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module("phrases")


@pytest.fixture
def corpus(phrases):
    utterances = [(name, np.log(np.full((4, 4), 0.25, np.float32))) for name in "uv"]
    return phrases.Corpus("set", utterances, {"u": ["a", "ba", "b"], "v": ["x", "a"]}, UNITS, LM, "")


def test_phrases_are_words_that_the_units_spell_and_some_are_said(phrases, corpus):
    found = phrases.draw_phrases(corpus, 20, 2, seed=1)
    assert len(set(found)) == len(found) == 20
    assert {"a ba", "ba b"} <= set(found)
    assert all(set(phrase.split()) <= {"a", "b", "ba"} and len(phrase.split()) in (2, 3) for phrase in found)
    assert phrases.draw_phrases(corpus, 20, 2, seed=1) == found
    assert phrases.draw_phrases(corpus, 20, 2, seed=2) != found


def test_few_words_make_few_phrases(phrases, corpus):
    assert len(phrases.draw_phrases(corpus, 1000, 1, seed=1)) == 3**2 + 3**3


def test_only_what_the_units_can_write_is_spelled(phrases):
    assert [phrases.is_spelled(word, UNITS) for word in ("ab", "x", "", "</s>")] == [True, False, False, False]


def test_a_small_run_writes_its_rows(phrases, tmp_path, monkeypatch):
    posteriors = importlib.import_module("synthetic_posteriors")
    monkeypatch.setattr(posteriors, "SENTENCES", 600)
    posteriors.make(tmp_path, "characters", 2, 1)
    files = [str(tmp_path / "log_probs.npz"), "--ref", str(tmp_path / "ref.trn"), "--lm", str(tmp_path / "lm.arpa")]
    options = [
        "--beam",
        "4",
        "--phrases",
        "50",
        "--said",
        "20",
        "--kinds",
        "none",
        "--json",
        str(tmp_path / "rows.json"),
    ]
    command = [sys.executable, str(BENCH / "phrases.py"), *files, *options]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = [row for row in json.loads((tmp_path / "rows.json").read_text()) if row["system"].startswith("ours")]
    assert {row["system"] for row in rows} == {"ours", "ours, 50 phrases"}
    figures = {(row["system"], row["metric"]): row["value"] for row in rows}
    assert figures["ours", "times_without"] == 1.0
    assert figures["ours, 50 phrases", "times_without"] == pytest.approx(
        figures["ours, 50 phrases", "ms_per_utterance"] / figures["ours", "ms_per_utterance"]
    )
    assert figures["ours, 50 phrases", "phrases_heard"] > figures["ours", "phrases_heard"] >= 0
    assert "50 phrases" in output
