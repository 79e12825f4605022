"""`asr doctor`: a line a check; what is broken is named, with what to do, and makes the exit code 1."""

import sys

import numpy as np
import pytest

from asr.__main__ import run


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_a_good_installation(capsys):
    assert run(["doctor"]) == 0
    found = lines(capsys)
    names = [line[6:22].strip() for line in found]
    for name in ("asr", "python", "packages", "torch", "libsndfile", "ffmpeg", "compiled code", "models", "self-test"):
        assert name in names
    assert not [line for line in found if line.startswith("bad")]
    assert any("reading, resampling, decoding, aligning, writing: right" in line for line in found)


def test_without_torch(capsys, monkeypatch):
    import importlib.metadata

    real = importlib.metadata.version

    def version(name):
        if name in ("torch", "torchaudio"):
            raise importlib.metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    assert run(["doctor"]) == 0
    assert any(line.startswith("note  torch") and "training needs it" in line for line in lines(capsys))


@pytest.mark.parametrize(("package", "name"), [("torchaudio", "torchaudio")])
def test_what_does_not_load_is_one_line(package, name, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, package, None)
    assert run(["doctor"]) == 0
    (line,) = [line for line in lines(capsys) if line[6:].startswith(name)]
    assert line.startswith("note")
    assert "does not load with this torch" in line
    assert "pip install --upgrade torchaudio" in line


def test_sound_that_comes_back_wrong(capsys, monkeypatch):
    def deaf(_source, *, sample_rate):
        return np.zeros(sample_rate, np.float32)

    monkeypatch.setattr("asr.audio.reading.read_audio", deaf)
    assert run(["doctor"]) == 1
    (line,) = [line for line in lines(capsys) if line.startswith("bad")]
    assert "self-test" in line
    assert "wrong results: reading, resampling" in line


def test_a_check_that_breaks_stops_no_other(capsys, monkeypatch):
    def broken():
        raise OSError("no such library")
        yield

    monkeypatch.setattr("asr.transcribing.inspection.doctor._audio", broken)
    assert run(["doctor"]) == 1
    found = lines(capsys)
    assert any(line.startswith("bad   audio") and "OSError: no such library; install" in line for line in found)
    assert any("self-test" in line for line in found)
