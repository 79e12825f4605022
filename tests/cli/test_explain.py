"""`asr explain`: a report, JSON, and a picture."""

import json

import pytest
from tests_model import RATE, sounds

from asr.__main__ import run
from asr.audio.reading import write_audio


@pytest.fixture
def recording(tmp_path):
    write_audio(tmp_path / "a.wav", sounds(1, seed=9)[0], RATE)
    return tmp_path / "a.wav"


def explain(model, *arguments):
    return run(["explain", *map(str, arguments), "--model", str(model), "--device", "cpu"])


def test_a_report(model_folder, recording, capsys):
    assert explain(model_folder, recording) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[:9]] == [
        "text", "sound", "level", "noise", "clipping", "bandwidth", "silence", "recognised", "model",
    ]  # fmt: skip
    assert any(line.startswith("likely") for line in lines)


def test_json_has_the_numbers(model_folder, recording, capsys):
    assert explain(model_folder, recording, "-f", "json") == 0
    content = json.loads(capsys.readouterr().out)
    assert content["file_rate"] == content["model_rate"] == RATE
    assert content["sound"]["seconds"] > 0.1


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_a_picture(model_folder, recording, tmp_path, suffix, capsys):
    picture = tmp_path / "pictures" / f"a.{suffix}"
    assert explain(model_folder, recording, "--plot", picture, "--layer", "2") == 0
    assert picture.read_bytes()[:5] in (b"\x89PNG\r", b"<?xml")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--plot", "a.txt"], "is no picture"),
        (["--plot", "a.png", "--layer", "9"], "--layer: 9 is not in 1..2"),
        (["--plot", "a.png", "--unit", "99"], "--unit: 99 is not in 0..9"),
        (["-f", "srt"], "'srt' is not a format"),
        (["--channels", "split"], "is more than one recording"),
    ],
)
def test_what_is_refused(model_folder, recording, arguments, message, monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    assert explain(model_folder, recording, *arguments) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "a.png").exists()
