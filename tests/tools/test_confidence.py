"""The tool that judges confidences: on a tuned model its dev calibration is that of `asr tune`."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from tests_model import RATE, sounds, write_model

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance

pytestmark = pytest.mark.slow

TOOL = Path(__file__).parents[2] / "tools" / "confidence.py"


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """A tuned model, and a folder that it decoded in which every third word is counted as wrong."""
    folder = tmp_path_factory.mktemp("confidence")
    model, decoded = str(write_model(folder / "model")), folder / "decoded"
    utterances = []
    for index, wave in enumerate(sounds(6, seed=3)):
        write_audio(folder / f"{index}.wav", wave, RATE)
        utterances.append(Utterance(f"u{index}", f"{index}.wav", 0.0, len(wave) / RATE, text="a", speaker="s"))
    write_manifest(folder / "set.jsonl", utterances)
    assert run(["decode", str(folder / "set.jsonl"), "--model", model, "--out", str(decoded), "--beam-size", "32"]) == 0
    lines, place = [], 0
    for line in (decoded / "hyp.trn").read_text().splitlines():
        words = line.split()
        for index in range(len(words) - 1):
            place += 1
            words[index] = "zzz" if place % 3 == 0 else words[index]
        lines.append(" ".join(words) + "\n")
    (decoded / "ref.trn").write_text("".join(lines))
    (folder / "words.txt").write_text("".join(f"{word}\n" for line in lines for word in line.split()[:-1]))
    assert run(["lm", "train", str(folder / "words.txt"), "--order", "1", "--out", str(folder / "lm")]) == 0
    tune = ["tune", str(decoded / "log_probs.npz"), "--ref", str(decoded / "ref.trn"), "--lm", str(folder / "lm")]
    assert run([*tune, "--alphas", "0", "--betas", "0", "--out", str(folder / "tuned")]) == 0
    export = ["export", "--model", model, "--lm", str(folder / "lm"), "--tuned", str(folder / "tuned")]
    assert run([*export, "--out", str(folder / "packed")]) == 0
    return folder


def judge(*arguments):
    command = [sys.executable, str(TOOL), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_row_for_each_calibration_and_all_sets_together(packed, tmp_path):
    pair = [packed / "packed", packed / "decoded"]
    done = judge(*pair, *pair, "--json", tmp_path / "rows.json")
    assert done.returncode == 0, done.stderr
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert [row["system"] for row in rows] == ["none", "dev", "itself"] * 3
    assert len(done.stdout.splitlines()) == 1 + len(rows)
    none, dev, itself = rows[:3]
    assert dev == {**itself, "system": "dev"}  # tuned on this very set
    assert dev["nce"] > none["nce"]
    assert dev["accuracy"] == pytest.approx(2 / 3, abs=0.1)
    assert rows[-1]["words"] == 2 * dev["words"]


def test_a_greedy_model_is_refused_in_one_line(packed):
    done = judge(packed / "model", packed / "decoded")
    assert done.returncode == 1
    assert done.stderr.strip().endswith("decodes greedily; pack the tuned search into it with 'asr export'")
    assert "Traceback" not in done.stderr
