"""Every command and the Python of docs/decoding.md work as they are written, one after the other."""

import re
import shlex
from pathlib import Path

import pytest
from tests_model import RATE, sounds, write_model

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance

TEXT = (Path(__file__).parents[2] / "docs" / "decoding.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    (asr .*)$", TEXT, flags=re.MULTILINE)
SENTENCES = ["ab cd abba", "cab dad ab", "dad ab cd", "abba cd", "a b cab"]
SMALL_LSTM = ["--set", "epochs=1", "--set", "embedding=4", "--set", "hidden=4"]  # a newcomer has more patience


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """The files that the page speaks of, with an untrained model."""
    folder = tmp_path_factory.mktemp("page")
    data = folder / "data" / "an4"
    data.mkdir(parents=True)
    write_model(folder / "exp" / "an4" / "model")
    for name, count in (("train", 5), ("dev", 3), ("test", 3)):
        utterances = []
        for index, wave in enumerate(sounds(count, seed=count)):
            write_audio(data / f"{name}{index}.wav", wave, RATE)
            seconds = len(wave) / RATE
            utterances.append(
                Utterance(f"{name}{index}", f"{name}{index}.wav", 0.0, seconds, text=SENTENCES[index], speaker="s")
            )
        write_manifest(data / f"{name}.jsonl", utterances)
    (folder / "text.txt").write_text("".join(f"{sentence}\n" for sentence in SENTENCES * 3))
    (folder / "dev.txt").write_text("ab cd\n")
    (folder / "words.txt").write_text("ab\ncd\nabba\n")
    return folder


def shortened(command: str) -> list[str]:
    """The arguments of a command, in one process, with an LSTM that is trained in no time."""
    arguments = shlex.split(re.sub(r"--nj \d+", "--nj 1", command))[1:]
    return arguments + SMALL_LSTM * ("--lstm --dev" in command)


@pytest.fixture(scope="module")
def done(folder) -> dict[str, int]:
    """The exit code of every command, run in the order of the page."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return {command: run(shortened(command)) for command in COMMANDS}


def test_the_page_has_commands_of_every_verb() -> None:
    verbs = {" ".join(command.split()[1 : 3 if command.startswith("asr lm") else 2]) for command in COMMANDS}
    assert verbs >= {"decode", "align", "tune", "export", "score", "lm train", "lm score", "lm prune", "lm convert"}
    assert verbs >= {"lm info", "lm rescore"}


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, done: dict[str, int], folder: Path) -> None:
    assert done[command] == 0
    for out in re.findall(r"--out (\S+)", command):
        assert (folder / out).exists()


def test_the_python_of_the_page(done, folder, monkeypatch, capsys) -> None:
    monkeypatch.chdir(folder)
    (program,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)
    write_audio(folder / "recording.wav", sounds(1, seed=3)[0], RATE)
    names: dict[str, object] = {}
    exec(program, names)
    assert names["hypotheses"]
    assert str(names["best"].text) in capsys.readouterr().out  # type: ignore[attr-defined]
