"""Every command and the Python of docs/transcribing.md work as they are written."""

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import soundfile
from tests_model import RATE, sounds, write_model

from asr.__main__ import run

PAGE = Path(__file__).parents[2] / "docs" / "transcribing.md"
TEXT = PAGE.read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (asr .*)$", TEXT, flags=re.MULTILINE)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return write_model(tmp_path_factory.mktemp("models") / "english").parent


@pytest.fixture
def folder(tmp_path, model, monkeypatch):
    """The files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ASR_MODELS", str(model))
    wave = np.resize(sounds(1, seed=9)[0], RATE)
    Path("talks").mkdir()
    for name in ("my.wav", "talks/a.wav", "talks/b.flac"):
        soundfile.write(name, wave, RATE)
    soundfile.write("call.wav", np.stack([wave, wave[::-1]], axis=1), RATE)
    Path("samples.raw").write_bytes((wave * 32767).astype("<i2").tobytes())
    Path("names.txt").write_text("ab cd\n")
    Path("words.txt").write_text("ab\ncd\nb\n")
    Path("commands.txt").write_text("ab cd\nb\n")
    Path("text.txt").write_text("ab\ncd\n")
    return tmp_path


def test_the_page_has_commands():
    assert len(COMMANDS) >= 15


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command, folder, capsys):
    assert run(shlex.split(command)[1:]) == 0
    printed = capsys.readouterr().out
    written = re.findall(r"(?:-o|--plot) (\S+)", command)
    assert printed or written
    for name in written:
        assert (folder / name).is_dir() or (folder / name).stat().st_size > 0
    if written == ["out"]:
        assert any((folder / "out").iterdir())


def test_the_python_of_the_page(folder):
    names: dict[str, object] = {}
    found = re.search(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    exec(found.group(1), names)
    assert "-->" in names["subtitles"]
    assert '"segments"' in names["document"]
