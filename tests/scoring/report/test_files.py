"""Outputs never overwrite an input, nor a file of another kind."""

from pathlib import Path

import pytest

from asr.__main__ import run
from asr.errors import UsageError
from asr.scoring.report.files import Outputs, check_outputs


@pytest.mark.parametrize(
    ("outputs", "reason"),
    [
        (Outputs(json=Path("ref.trn")), "is an input"),
        (Outputs(html=Path("link.html")), "is an input"),
        (Outputs(pra=Path("notes.txt")), "exists and is no .pra file"),
        (Outputs(json=Path("old.html")), "exists and is no .json file"),
        (Outputs(html=Path("folder")), "is a folder"),
        (Outputs(html=Path("x"), json=Path("x")), "is also the file of --html"),
    ],
)
def test_refused(outputs: Outputs, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ref.trn", "hyp.trn", "notes.txt", "old.html"):
        Path(name).write_text("go (u1)\n")
    Path("link.html").symlink_to("ref.trn")
    Path("folder").mkdir()
    with pytest.raises(UsageError, match=reason):
        check_outputs(outputs, ["ref.trn", "hyp.trn"], several=False)


def test_new_files_and_earlier_reports_may_be_written(tmp_path: Path) -> None:
    for name in ("ref.trn", "hyp.trn"):
        (tmp_path / name).write_text("go (u1)\n")
    (tmp_path / "old.html").write_text("an earlier report")
    outputs = Outputs(html=tmp_path / "old.html", json=tmp_path / "new", pra=tmp_path / "x.pra")
    check_outputs(outputs, [tmp_path / "ref.trn", "-"], several=True)


def test_numbered_files_of_several_systems_are_looked_at_too(tmp_path: Path) -> None:
    for name in ("ref.pra", "x.1.pra"):
        (tmp_path / name).write_text("go (u1)\n")
    with pytest.raises(UsageError, match="is an input"):
        check_outputs(Outputs(pra=tmp_path / "x.pra"), [tmp_path / "ref.pra", tmp_path / "x.1.pra"], several=True)


def test_the_command_line_leaves_the_input_as_it_is(tmp_path: Path) -> None:
    for name in ("ref.trn", "hyp.trn"):
        (tmp_path / name).write_text("go (u1)\n")
    command = ["score", "-r", str(tmp_path / "ref.trn"), "-h", str(tmp_path / "hyp.trn")]
    assert run([*command, "--json", str(tmp_path / "ref.trn")]) == 2
    assert (tmp_path / "ref.trn").read_text() == "go (u1)\n"
