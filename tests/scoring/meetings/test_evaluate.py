"""Files of meetings, read and scored from the command line."""

import json
from pathlib import Path

import pytest

from asr.__main__ import run
from asr.errors import AsrError
from asr.scoring.meetings.evaluate import evaluate_meetings
from asr.scoring.meetings.segments import read_turns

SEGLST = [
    {"session_id": "m1", "speaker": "ann", "start_time": 0.0, "end_time": "2.0", "words": "Go home"},
    {"session_id": "m1", "speaker": "bob", "start_time": 1.0, "end_time": 3.0, "words": "yes"},
]
STM = "m1 1 ann 0.0 2.0 Go home\nm1 1 bob 1.0 3.0 yes\n"
RTTM = "SPKR-INFO m1 1 <NA> <NA> <NA> unknown ann <NA> <NA>\nSPEAKER m1 1 0.0 2.0 <NA> <NA> ann <NA> <NA>\n"
CTM = "m1 x 0.0 1.0 go\nm1 x 1.0 1.0 home\nm1 y 1.0 2.0 yes\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "ref.json").write_text(json.dumps(SEGLST))
    for name, content in (("ref.stm", STM), ("ref.rttm", RTTM), ("hyp.ctm", CTM)):
        (tmp_path / name).write_text(content)
    return tmp_path


def test_seglst_and_stm_say_the_same(folder: Path) -> None:
    assert read_turns(folder / "ref.json") == read_turns(folder / "ref.stm")
    (turn,) = read_turns(folder / "ref.rttm")
    assert (turn.session, turn.speaker, turn.start, turn.end, turn.words) == ("m1", "ann", 0.0, 2.0, "")


def test_the_command_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["score", "-r", str(folder / "ref.json"), "-h", str(folder / "hyp.ctm")]
    assert run([*command, "--meeting", "cp,tcp,orc,der", "--by", "session", "--collar", "1"]) == 0
    out = capsys.readouterr().out
    assert out.startswith(
        "%cpWER 33.33 [ 1 / 3, 0 ins, 0 del, 1 sub ] 0 speakers missed, 0 too many\n%tcpWER at 1 s 33.33"
    )
    assert "ann = x, bob = y" in out
    assert "%DER 0.00 [ 0.00 s missed" in out
    assert run([*command, "--meeting", "cp", "--profile", "basic", "--json", "-"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["total"]["cp"]["errors"] == 0
    assert data["normalisation"]["name"] == "basic"
    assert run([*command, "--meeting", "orc", "--fail-above", "10"]) == 1


def test_a_missing_session_counts_as_deletions(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    (folder / "ref.stm").write_text(STM + "m2 1 ann 0 1 a b\n")
    found = evaluate_meetings(folder / "ref.stm", folder / "hyp.ctm", ["cp"], profile="basic")
    assert found.total.cp is not None
    assert (found.total.cp.errors.deletions, found.missing) == (2, ["m2"])
    assert "1 of 2 sessions have no hypothesis: m2" in caplog.text


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("x.json", "{}", "no list of segments"),
        ("x.json", "[1]", "segment 1: cannot be read"),
        ("x.json", '[{"session_id": "a"}]', "segment 1: cannot be read .*start_time"),
        ("x.json", "[", "line 1: is not JSON"),
        ("x.rttm", "SPEAKER m1 1 x 1\n", "line 1: is no speaker line"),
        ("x.rttm", "SPEAKER m1 1 0 -1 <NA> <NA> a <NA> <NA>\n", "from 0.0 to -1.0"),
        ("x.txt", "", "no format of meetings"),
        ("x.rttm", "SPEAKER m1 1 0 1 <NA> <NA> a <NA> <NA>\n", "holds no words"),
        ("x.stm", "other 1 a 0 1 b\n", "1 sessions that the references do not have: other"),
    ],
)
def test_what_cannot_be_scored_is_said(folder: Path, name: str, content: str, reason: str) -> None:
    (folder / name).write_text(content)
    with pytest.raises(AsrError, match=reason):
        evaluate_meetings(folder / "ref.stm", folder / name, ["cp"])


def test_unknown_measures_are_refused(folder: Path) -> None:
    with pytest.raises(AsrError, match="use cp, tcp, orc, der"):
        evaluate_meetings(folder / "ref.stm", folder / "hyp.ctm", ["wer"])
