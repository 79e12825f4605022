"""The decoding benchmark: its made-up posteriors, its exact score, and a small run of it."""

import importlib
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from asr.decoding.paths.log_probs import read_log_probs
from asr.decoding.paths.text_score import score_text
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.scoring.reading.readers import read_transcripts
from asr.units import BLANK_SYMBOL, Units

BENCH = Path(__file__).resolve().parents[2] / "tools" / "bench"
CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", "a", "b"])
LM = build_model(train_ngrams([["a", "b"], ["b", "a", "a"], ["a"]] * 3, order=2))


@pytest.fixture
def bench(monkeypatch):
    """A function that imports a module of the benchmark's folder."""
    monkeypatch.syspath_prepend(str(BENCH))
    return importlib.import_module


@pytest.fixture
def made(bench, tmp_path, monkeypatch):
    """A function that makes a small set of posteriors."""
    posteriors = bench("synthetic_posteriors")
    monkeypatch.setattr(posteriors, "SENTENCES", 600)
    monkeypatch.setattr(posteriors, "PIECES", 120)

    def make(name: str, kind: str, seed: int) -> Path:
        posteriors.make(tmp_path / name, kind, 3, seed)
        return tmp_path / name

    return make


@pytest.mark.parametrize("kind", ["characters", "bpe"])
def test_made_up_posteriors_are_probabilities_that_say_their_references(made, kind):
    folder = made("one", kind, 1)
    units = Units.load(folder / "units.txt")
    texts = read_transcripts(folder / "ref.trn", "ref").texts
    for name, log_probs in read_log_probs(folder / "log_probs.npz"):
        assert np.exp(log_probs.astype(np.float64)).sum(axis=1) == pytest.approx(1.0, abs=1e-4)
        assert score_text(log_probs, texts[name], units) > len(log_probs) * math.log(1 / len(units)) / 2
    assert (folder / "lm.arpa").read_text(encoding="utf-8").startswith("\\data\\")


def test_the_same_seed_makes_the_same(made):
    def arrays(name: str, seed: int) -> list[np.ndarray]:
        return [log_probs for _, log_probs in read_log_probs(made(name, "characters", seed) / "log_probs.npz")]

    first, second, other = arrays("a", 1), arrays("b", 1), arrays("c", 2)
    assert all(map(np.array_equal, first, second))
    assert not all(map(np.array_equal, first, other))


def test_softening_divides_the_logits(bench):
    log_probs = np.log(np.array([[0.5, 0.25, 0.25]], np.float32))
    probs = np.sqrt([0.5, 0.25, 0.25])
    assert np.exp(bench("decode").soften(log_probs, 2.0))[0] == pytest.approx(probs / probs.sum())


def test_the_exact_score_is_that_of_the_text_with_the_weights(bench):
    peers, decode = bench("decode_peers"), bench("decode")
    logits = np.random.default_rng(0).normal(size=(6, 4))
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)

    def score(kind: str, text: str) -> float:
        task = peers.Task(CHARACTERS, kind, 8, -5.0, 10.0, 0.5, 1.5, LM, "")
        return decode.exact_score(task, log_probs, text)

    acoustic = score_text(log_probs, "a b", CHARACTERS)
    assert score("none", "a b") == acoustic
    assert score("word LM", "a b") == pytest.approx(acoustic + 0.5 * LM.score(["a", "b"]) + 1.5 * 2)
    assert score("lexicon", "a bb") == -math.inf
    assert score("word LM", "bb") < score_text(log_probs, "bb", CHARACTERS) - 9.0  # the penalty of an unknown word


@pytest.mark.slow
def test_a_small_run_writes_its_rows(made, tmp_path):
    folder = made("run", "characters", 3)
    files = [str(folder / "log_probs.npz"), "--ref", str(folder / "ref.trn"), "--lm", str(folder / "lm.arpa")]
    options = ["--beams", "4", "--temperatures", "1", "--kinds", "none", "--json", str(tmp_path / "rows.json")]
    peers = "pyctcdecode,flashlight-text,fast-ctc-decode,ctc-beam-decoder,speechbrain"
    command = [sys.executable, str(BENCH / "decode.py"), *files, *options, "--skip", peers, "--utterances", "2"]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {row["metric"] for row in rows} == {"ms_per_utterance", "wer", "best_score_found"}
    assert {row["system"] for row in rows} == {"ours", "ours, word times"}
    assert all(set(row) == {"case", "system", "metric", "value", "unit"} for row in rows)
    assert output.count("\n") == 2
