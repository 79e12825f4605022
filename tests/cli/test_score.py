"""`asr score` as it is typed: output, files, exit codes."""

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest

from asr.__main__ import run


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "ref.trn").write_text("the cat sat (ann-1)\n(ann-2)\na (bob-1)\n")
    (tmp_path / "hyp.trn").write_text("the hat sat (ann-1)\nuh (ann-2)\na (bob-1)\n")
    (tmp_path / "hyp2.trn").write_text("the cat sat (ann-1)\na (bob-1)\n")
    return tmp_path


def output(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert run(["score", *arguments]) == code
    captured = capsys.readouterr()
    return captured.out if code == 0 else captured.out + captured.err


def test_the_first_line_is_the_one_scripts_read(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "-r", "ref.trn", "-h", "hyp.trn").splitlines()
    assert lines[0] == "%WER 50.00 [ 2 / 4, 1 ins, 0 del, 1 sub ]"


def test_character_errors(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert output(capsys, "-r", "ref.trn", "-h", "hyp.trn", "--cer").startswith("%CER 25.00 [ 3 / 12,")


def test_alignments(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = output(capsys, "-r", "ref.trn", "-h", "hyp.trn", "--align")
    assert "REF:  the CAT sat\nHYP:  the HAT sat" in printed


def test_two_systems_are_compared(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = output(capsys, "-r", "ref.trn", "-h", "hyp.trn", "-h", "hyp2.trn", "--speaker-from-id", "--by", "speaker")
    assert "A = hyp.trn, B = hyp2.trn:" in printed
    assert "A - B = +50.00 points" in printed
    assert "Paired bootstrap by speaker (2)" in printed


def test_all_files_are_written(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output(
        capsys, "-r", "ref.trn", "-h", "hyp.trn", "-h", "hyp2.trn", "--html", "out/r.html", "--json", "out/r.json",
        "--pra", "out/r.pra", "--dtl", "out/r.dtl",
    )  # fmt: skip
    names = sorted(path.name for path in (files / "out").iterdir())
    assert names == ["r.1.dtl", "r.1.pra", "r.2.dtl", "r.2.pra", "r.html", "r.json"]
    assert json.loads((files / "out" / "r.json").read_text())["systems"][0]["errors"] == 2


def test_the_gate(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["score", "-r", "ref.trn", "-h", "hyp.trn", "--fail-above", "50"]) == 0
    assert run(["score", "-r", "ref.trn", "-h", "hyp.trn", "--fail-above", "49.99"]) == 1
    assert run(["score", "-r", "ref.trn", "-h", "hyp2.trn", "-h", "hyp.trn", "--fail-above", "10"]) == 1


def test_the_gate_is_shut_when_there_is_no_rate(files: Path) -> None:
    (files / "silence.trn").write_text("(u)\n")
    (files / "noise.trn").write_text("uh (u)\n")
    assert run(["score", "-r", "silence.trn", "-h", "noise.trn", "--fail-above", "1000"]) == 1


def test_a_markdown_row(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    printed = output(capsys, "-r", "ref.trn", "-h", "hyp.trn", "--markdown")
    assert printed.startswith("| hyp.trn | WER 50.00 |")
    assert len(printed.splitlines()) == 1


def test_standard_input(files: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO((files / "hyp.trn").read_bytes())

    monkeypatch.setattr("sys.stdin", Stdin())
    assert output(capsys, "-r", "ref.trn", "-h", "-").startswith("%WER 50.00")


def test_one_nemo_file_for_both_sides(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "nemo.jsonl").write_text('{"audio_filepath": "x.wav", "text": "a b", "pred_text": "a"}\n')
    assert output(capsys, "-r", "nemo.jsonl", "-h", "nemo.jsonl").startswith("%WER 50.00")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["-r", "ref.trn"], 2, "--hyp"),
        (["-r", "none.trn", "-h", "hyp.trn"], 1, "none.trn: cannot be read"),
        (["-r", "hyp2.trn", "-h", "hyp.trn"], 1, "1 ids that the references do not have: ann-2"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--profile", "x"], 2, "use arabic, basic, cjk, english"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--costs", "x"], 2, "unit or sclite"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--hyp-format", "x"], 2, "is not a format"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--by", "x"], 2, "not a field"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--resamples", "1"], 2, "resamples"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--unknown"], 2, "--unknown"),
        (["-r", "ref.trn", "-h", "hyp.trn", "--json", "ref.trn/x"], 1, "ref.trn"),
    ],
)
def test_failures_are_one_clear_line_and_a_code(
    files: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], code: int, said: str
) -> None:
    printed = output(capsys, *arguments, code=code)
    assert said in printed
    assert "Traceback" not in printed


def test_jiwer_s_command_line_loses_one_character_lines_and_ours_does_not(
    files: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of five words two are wrong, 0.4. jiwer 4.0.0 drops the lines that hold one character and prints 0.0."""
    (files / "ref.txt").write_text("a\nb\ngo home now\n")
    (files / "hyp.txt").write_text("x\ny\ngo home now\n")
    command = [sys.executable, "-c", "from jiwer.cli import cli; cli()", "-r", "ref.txt", "-h", "hyp.txt"]
    theirs = subprocess.run(command, capture_output=True, text=True, cwd=files, check=True).stdout
    assert float(theirs) == 0.0
    ours = output(capsys, "-r", "ref.txt", "-h", "hyp.txt", "--ref-format", "plain", "--hyp-format", "plain")
    assert ours.startswith("%WER 40.00 [ 2 / 5, 0 ins, 0 del, 2 sub ]")


def test_empty_lines_keep_their_place(files: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (files / "ref.txt").write_text("\na b\n\n")
    (files / "hyp.txt").write_text("x\na b\n\n")
    printed = output(capsys, "-r", "ref.txt", "-h", "hyp.txt", "--ref-format", "plain", "--hyp-format", "plain")
    assert printed.startswith("%WER 50.00 [ 1 / 2, 1 ins, 0 del, 0 sub ]")
    assert "Scored 3 utterances" in printed


def test_help_explains_itself(capsys: pytest.CaptureFixture[str]) -> None:
    printed = output(capsys, "--help")
    for option in ("--ref", "--hyp", "--cer", "--align", "--fail-above", "--html", "--profile"):
        assert option in printed
