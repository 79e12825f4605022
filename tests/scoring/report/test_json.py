"""The evaluation as data."""

import json
from pathlib import Path

import pytest

import asr
from asr.scoring.evaluate import Evaluation, Options, analyse
from asr.scoring.reading.transcripts import Transcripts
from asr.scoring.report.json import as_data, plain, write_json
from asr.scoring.text.normalisation import named_profile


def test_what_is_written_can_be_read_and_adds_up(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "score.json"
    write_json(evaluation, path)
    data = json.loads(path.read_text(encoding="utf-8"))
    assert data["normalisation"] == {"name": "none", "version": "1", "hash": named_profile("none").digest}
    assert data["costs"] == {"match": 0, "insertion": 1, "deletion": 1, "substitution": 1}
    first = data["systems"][0]
    assert (first["errors"], first["reference"], first["rate"]) == (3, 11, 3 / 11)
    assert sum(row["sub"] + row["del"] + row["ins"] for row in first["per_utterance"]) == 3
    assert first["interval"]["by_speaker"]["units"] == 3
    assert {group["name"] for group in first["breakdowns"]["condition"]} == {"clean", "noisy"}
    assert data["comparisons"][0]["most_different"][0] == ["bob-2", -4] or data["comparisons"][0]["most_different"]
    assert data["comparisons"][0]["mapsswe"]["segments"] > 0
    assert data["systems"][1]["calibration"]["words"] == 9


def test_alignments_on_request(evaluation: Evaluation) -> None:
    row = as_data(evaluation, alignments=True)["systems"][0]["per_utterance"][0]
    assert row["alignment"] == [["hit", "the", "the"], ["sub", "cat", "hat"], ["hit", "sat", "sat"]]


def test_rates_that_json_has_no_number_for_are_null(tmp_path: Path) -> None:
    score = asr.score({"u": ""}, {"u": "x"})
    system = analyse(score, Transcripts("x", texts={"u": "x"}), Options(resamples=100))
    write_json(Evaluation("ref", Options(), [system], []), tmp_path / "x.json")
    data = json.loads((tmp_path / "x.json").read_text())
    assert data["systems"][0]["rate"] is None
    assert plain(float("nan")) is None


def test_standard_output_takes_the_json_alone(evaluation: Evaluation, capsys: pytest.CaptureFixture[str]) -> None:
    write_json(evaluation, "-")
    assert json.loads(capsys.readouterr().out)["systems"][0]["name"] == "a.trn"
