"""Precision, recall and F of keywords and phrases."""

from pathlib import Path

import pytest

import asr
from asr.__main__ import run
from asr.errors import ScoringError
from asr.scoring.statistics.keywords import Found, keywords, read_keywords
from asr.scoring.text.normalisation import named_profile


@pytest.mark.parametrize(
    ("ref", "hyp", "phrases", "expected"),
    [
        ("call ann now", "call ann now", ["ann"], (1, 0, 0)),
        ("call ann now", "call bob now", ["ann", "bob"], (0, 1, 1)),
        ("ann ann", "ann", ["ann"], (1, 1, 0)),
        ("new york is big", "new york is big", ["new york", "york"], (2, 0, 0)),
        ("new york", "new a york", ["new york"], (0, 1, 0)),
        ("new york", "new cork", ["new york"], (0, 1, 0)),
        ("go", "go ann", ["ann"], (0, 0, 1)),
        ("a b", "a b", ["ann"], (0, 0, 0)),
        ("", "ann", ["ann"], (0, 0, 1)),
        ("x ann y", "ann x y", ["ann"], (0, 1, 1)),
    ],
)
def test_counts(ref: str, hyp: str, phrases: list[str], expected: tuple[int, int, int]) -> None:
    found = keywords(asr.score([ref], [hyp]), [tuple(phrase.split()) for phrase in phrases], resamples=100)
    assert found.total == expected


def test_rates_and_intervals() -> None:
    assert (Found(3, 1, 2).precision, Found(3, 1, 2).recall, Found(3, 1, 2).f) == (0.6, 0.75, pytest.approx(2 / 3))
    assert Found(0, 0, 0).f == 0.0
    refs = ["ann says hi"] * 60 + ["no one"] * 40
    hyps = ["ann says hi"] * 45 + ["an says hi"] * 15 + ["ann one"] * 5 + ["no one"] * 35
    found = keywords(asr.score(refs, hyps), [("ann",), ("eve",)])
    assert found.total == (45, 15, 5)
    assert found.recall.low < 0.75 < found.recall.high
    assert found.recall.units == 65
    assert (found.each, found.absent) == ([("ann", Found(45, 15, 5))], ["eve"])


def test_a_file_of_keywords_is_normalised_as_the_texts_are(tmp_path: Path) -> None:
    (tmp_path / "k.txt").write_bytes("\ufeff# names\r\nAnn\r\n\r\nNew  York!\r\nann\r\n".encode())
    assert read_keywords(tmp_path / "k.txt", named_profile("basic")) == [("ann",), ("new", "york")]
    (tmp_path / "k.txt").write_text("# none\n")
    with pytest.raises(ScoringError, match="no keywords"):
        read_keywords(tmp_path / "k.txt", named_profile("none"))


def test_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, content in (("r.trn", "call ann (u1)\n"), ("h.trn", "call an (u1)\n"), ("k.txt", "ann\neve\n")):
        (tmp_path / name).write_text(content)
    command = [
        "score",
        "-r",
        str(tmp_path / "r.trn"),
        "-h",
        str(tmp_path / "h.trn"),
        "--keywords",
        str(tmp_path / "k.txt"),
    ]
    assert run([*command, "--html", str(tmp_path / "x.html")]) == 0
    out = capsys.readouterr().out
    assert "recall 0.00 (none from 1 utterances)" in out
    assert "0 found, 1 lost, 0 false alarms; 1 occur on neither side" in out
    assert "Keyword" in (tmp_path / "x.html").read_text()
    assert run([*command, "--cer"]) == 2
