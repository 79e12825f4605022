"""Every command and the Python of docs/scoring.md work as they are written."""

import json
import re
import shlex
from pathlib import Path

import pytest

from asr.__main__ import run

PAGE = Path(__file__).parents[2] / "docs" / "scoring.md"
COMMANDS = re.findall(r"^    (asr score .*)$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE)


def fenced(language: str) -> str:
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert found is not None
    return found.group(1)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The files that the page speaks of."""
    monkeypatch.chdir(tmp_path)
    texts = {
        "ann-1": "the cat sat",
        "ann-2": "five per cent",
        "bob-1": "go home now please",
        "cid-1": "a b c d e f g h",
    }
    for name in ("ref.trn", "hyp.trn", "a.trn"):
        Path(name).write_text("".join(f"{text} ({key})\n" for key, text in texts.items()))
    with Path("test.jsonl").open("w") as manifest, Path("b.jsonl").open("w") as hypothesis:
        for key, text in texts.items():
            fields = {"id": key, "audio": "missing.wav", "start": 0, "duration": 1, "condition": key[-1]}
            manifest.write(json.dumps(fields | {"speaker": key[:3]}) + "\n")
            hypothesis.write(json.dumps({"id": key, "text": text + " x"}) + "\n")
    Path("ref.stm").write_text("f 1 ann 0 1 { color / colour / @ } (uh) yes\n")
    Path("hyp.ctm").write_text("f 1 0.1 0.2 colour 0.9\nf 1 0.5 0.2 yes 0.8\n")
    segments = [{"session_id": "m", "speaker": "A", "start_time": 0, "end_time": 2, "words": "go home"}]
    Path("meeting.json").write_text(json.dumps(segments))
    Path("system.stm").write_text("m 1 x 0 2 go home\n")
    Path("names.txt").write_text("ann\ncat\n")
    assert run(["score", "-r", "ref.trn", "-h", "hyp.trn", "--json", "last-week.json"]) == 0
    Path("words.txt").write_text("the\ncat\n")
    Path("mine.yaml").write_text(fenced("yaml"))
    return tmp_path


def test_the_page_has_commands() -> None:
    assert len(COMMANDS) >= 12


@pytest.mark.parametrize("command", COMMANDS)
def test_commands(command: str, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(shlex.split(command)[1:]) == 0
    assert re.search(r"%?[a-zA-Z]*[WCM]ER(?: at 3 s)? \d+\.\d\d", capsys.readouterr().out)
    for option in re.findall(r"--(?:html|json) (\S+)", command):
        assert (folder / option).stat().st_size > 0


def test_the_profile_of_the_page(folder: Path) -> None:
    from asr.scoring.text.normalisation import named_profile

    assert named_profile("mine.yaml").apply("Okay: uh 5 per cent!") == "ok five percent"


def test_the_python_of_the_page() -> None:
    names: dict[str, object] = {}
    exec(fenced("python"), names)
    score = names["score"]
    assert score.wer == pytest.approx(1 / 3)  # type: ignore[attr-defined]


def test_pictures_are_there_and_small() -> None:
    for picture in re.findall(r"\]\((scoring/\S+\.png)\)", PAGE.read_text(encoding="utf-8")):
        assert 0 < (PAGE.parent / picture).stat().st_size < 300_000
