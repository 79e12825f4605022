"""`asr transcribe` as other programs call it: streams apart, formats that parse, an exit code to rely on."""

import io
import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile
from tests_model import RATE, sounds

from asr.__main__ import run
from asr.audio.reading import read_audio, write_audio


@pytest.fixture
def files(tmp_path):
    paths = []
    for name, wave in zip(("one", "two", "three"), sounds(3, seed=9), strict=True):
        write_audio(tmp_path / f"{name}.wav", wave, RATE)
        paths.append(str(tmp_path / f"{name}.wav"))
    return paths


def transcribe(model, *arguments):
    return run(["transcribe", *arguments, "--model", str(model), "--device", "cpu"])


def test_results_on_stdout_and_the_log_on_stderr(model_folder, files):
    """A process of its own: what a shell would see."""
    command = [sys.executable, "-m", "asr", "transcribe", *files, "--model", str(model_folder), "--device", "cpu"]
    result = subprocess.run([*command, "missing.wav"], capture_output=True, text=True)
    assert result.returncode == 1
    lines = [line.split("\t") for line in result.stdout.splitlines()]
    assert [name for name, _ in lines] == files
    assert "missing.wav" in result.stderr
    assert "1 of 4 recordings failed" in result.stderr
    assert "Traceback" not in result.stderr


def test_the_python_function_and_the_verb_say_the_same(model_folder, files, capsys):
    import asr

    assert transcribe(model_folder, files[0]) == 0
    assert capsys.readouterr().out == asr.load_model(model_folder).transcribe(files[0]).text + "\n"


@pytest.mark.parametrize("batch_size", ["1", "2", "7"])
def test_the_batch_size_changes_nothing(model_folder, files, batch_size, capsys):
    assert transcribe(model_folder, *files) == 0
    one_by_one = capsys.readouterr().out
    assert transcribe(model_folder, *files, "--batch-size", batch_size) == 0
    assert capsys.readouterr().out == one_by_one


def test_json_files_hold_what_json_lines_hold(model_folder, files, tmp_path, capsys):
    assert transcribe(model_folder, *files, "-f", "json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert transcribe(model_folder, *files, "-f", "json", "-o", str(tmp_path / "out")) == 0
    assert capsys.readouterr().out == ""
    for line, path in zip(lines, files, strict=True):
        name = path.rpartition("/")[2].replace(".wav", ".json")
        assert line.pop("audio") == path
        assert json.loads((tmp_path / "out" / name).read_text()) == line


@pytest.mark.parametrize("kind", ["WAV", "FLAC", "OGG"])
def test_standard_input_may_be_any_format(model_folder, files, kind, monkeypatch, capsys):
    class Stdin:
        buffer = io.BytesIO()

    soundfile.write(Stdin.buffer, read_audio(files[0], sample_rate=RATE), RATE, format=kind)
    Stdin.buffer.seek(0)
    monkeypatch.setattr(sys, "stdin", Stdin)
    assert transcribe(model_folder, "-", "--output-format", "json") == 0
    spoken = json.loads(capsys.readouterr().out)
    assert spoken["audio"] == "-"
    assert spoken["duration"] == pytest.approx(len(read_audio(files[0], sample_rate=RATE)) / RATE, abs=0.05)


@pytest.mark.parametrize("content", [b"", b"these are not the samples you are looking for"], ids=["empty", "text"])
def test_standard_input_that_is_no_audio(model_folder, content, monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", type("Stdin", (), {"buffer": io.BytesIO(content)}))
    assert transcribe(model_folder, "-") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "1 of 1 recordings failed" in printed.err


def test_a_truncated_recording_is_a_warning_or_with_strict_a_failure(model_folder, files, tmp_path, capsys):
    whole = (tmp_path / "one.wav").read_bytes()
    (tmp_path / "one.wav").write_bytes(whole[: len(whole) * 3 // 4])
    assert transcribe(model_folder, files[0]) == 0
    assert "one.wav" in capsys.readouterr().err
    assert transcribe(model_folder, files[0], "--strict") == 1
    printed = capsys.readouterr()
    assert printed.out == ""
    assert "is cut" in printed.err


def test_one_channel_of_a_stereo_recording(model_folder, tmp_path, capsys):
    wave = sounds(1, seed=4)[0]
    soundfile.write(tmp_path / "left.wav", wave, RATE)
    soundfile.write(tmp_path / "stereo.wav", np.stack([wave, np.zeros_like(wave)], axis=1), RATE)
    assert transcribe(model_folder, str(tmp_path / "left.wav")) == 0
    left = capsys.readouterr().out
    assert transcribe(model_folder, str(tmp_path / "stereo.wav"), "--channel", "0") == 0
    assert capsys.readouterr().out == left
    assert transcribe(model_folder, str(tmp_path / "stereo.wav"), "--channel", "5") == 1
    assert "has no channel 5" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["-f", "docx"], "--output-format: 'docx' is not a format"),
        (["--beam-size", "x"], "beam-size"),
        (["--alpha", "1"], "--alpha: has no effect on greedy decoding"),
        (["--channel", "-1"], "channel"),
    ],
)
def test_usage_errors_print_nothing_on_stdout(model_folder, files, arguments, message, capsys):
    assert transcribe(model_folder, files[0], *arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert message in printed.err
