"""Every input format, its empty and one-character lines, and what is refused."""

import io
from pathlib import Path

import pytest

from asr.errors import ScoringError, UsageError
from asr.scoring.reading.readers import detect_format, listed, read_transcripts


def written(folder: Path, name: str, content: str) -> Path:
    path = folder / name
    path.write_bytes(content.encode("utf-8"))
    return path


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.trn", "go home (u1)\n(u2)\na (u3)\n", {"u1": "go home", "u2": "", "u3": "a"}),
        ("a.trn", ";; comment\n\nuh (laugh) yes (spk-u1)\r\n", {"spk-u1": "uh (laugh) yes"}),
        ("text", "u1 go home\nu2\nu3 a\n", {"u1": "go home", "u2": "", "u3": "a"}),
        ("text", "u1\tgo home\nu2 a\tb\n", {"u1": "go home", "u2": "a\tb"}),
        ("a.csv", 'id,text\nu1,"go, home"\nu2,\nu3,a\n', {"u1": "go, home", "u2": "", "u3": "a"}),
        ("a.tsv", "id\ttext\nu1\tgo home\n", {"u1": "go home"}),
        ("a.jsonl", '{"id": "u1", "text": "go home"}\n\n{"id": "u2", "text": ""}\n', {"u1": "go home", "u2": ""}),
        ("a.jsonl", '{"audio_filepath": "x.wav", "text": "go"}\n', {"x.wav": "go"}),
        ("a.ctm", "f1 1 0.5 0.2 home\nf1 1 0.1 0.2 go\nf2 1 0 1 a 0.9\n", {"f1": "go home", "f2": "a"}),
        ("a.stm", "f 1 s 0.0 1.5 <o> go home\n", {"f-1-s-0000000-0000150": "go home"}),
        ("a.trn", "\ufeffgo (u1)\n", {"u1": "go"}),
        ("a.trn", "line\u2028separator\u0085 (u1)\n", {"u1": "line\u2028separator"}),
    ],
)
def test_formats_told_by_the_name(tmp_path: Path, name: str, content: str, expected: dict[str, str]) -> None:
    read = read_transcripts(written(tmp_path, name, content), "ref")
    assert {key: text.strip() for key, text in read.texts.items()} == expected


def test_plain_lines_keep_empty_ones_and_single_characters(tmp_path: Path) -> None:
    path = written(tmp_path, "a.txt", "go home\n\na\nb\n")
    texts = read_transcripts(path, "ref", "plain").texts
    assert texts == {"line-1": "go home", "line-2": "", "line-3": "a", "line-4": "b"}


@pytest.mark.parametrize(
    ("content", "expected"),
    [("go (u1)\nhome (u2)\n", "trn"), ('{"id": "u1", "text": "go"}\n', "jsonl")],
)
def test_content_tells_what_the_name_does_not(content: str, expected: str) -> None:
    assert detect_format("-", content) == expected


def test_what_cannot_be_told_is_asked_for(tmp_path: Path) -> None:
    """`u1 go` may be Kaldi's text or two plain words: a guess would give a wrong rate without a word."""
    with pytest.raises(UsageError, match="--ref-format"):
        read_transcripts(written(tmp_path, "a.txt", "u1 go\nu2 home\n"), "ref")


def test_unknown_format_names_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="trn, kaldi, plain"):
        read_transcripts(written(tmp_path, "a.trn", "go (u1)"), "hyp", "word")


def test_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    class Stdin:
        buffer = io.BytesIO(b"go home (u1)\n")

    monkeypatch.setattr("sys.stdin", Stdin())
    read = read_transcripts("-", "hyp")
    assert (read.source, read.texts) == ("standard input", {"u1": "go home"})


def test_doubled_ids_are_listed(tmp_path: Path) -> None:
    path = written(tmp_path, "a.trn", "a (u1)\nb (u2)\nc (u1)\nd (u2)\ne (u3)\n")
    with pytest.raises(ScoringError, match="2 doubled ids: u1 u2"):
        read_transcripts(path, "hyp")


@pytest.mark.parametrize("line", ["go home", "go home ()", "go (u1) home"])
def test_a_trn_line_without_id_is_named(tmp_path: Path, line: str) -> None:
    with pytest.raises(ScoringError, match="line 2"):
        read_transcripts(written(tmp_path, "a.trn", f"x (u0)\n{line}\n"), "ref")


def test_unreadable_files_say_why(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="cannot be read"):
        read_transcripts(tmp_path / "missing.trn", "ref")
    with pytest.raises(ScoringError, match="cannot be read"):
        read_transcripts(tmp_path, "ref", "trn")
    (tmp_path / "latin.trn").write_bytes("go (u1)\ncafé (u2)\n".encode("latin-1"))
    with pytest.raises(ScoringError, match="line 2 is not UTF-8"):
        read_transcripts(tmp_path / "latin.trn", "ref")


def test_long_lists_are_cut_and_counted() -> None:
    assert listed(["a", "b"]) == "a b"
    assert listed([str(n) for n in range(25)]).endswith("19 and 5 more")


def test_stm_gives_speakers_recordings_and_labels(tmp_path: Path) -> None:
    content = "f A ann 0 1 <o,f0> go\nf A bob 1 2 home\nf A - 2 3 ignore_time_segment_in_scoring\n"
    read = read_transcripts(written(tmp_path, "a.stm", content), "ref")
    assert list(read.column("speaker").values()) == ["ann", "bob"]
    assert list(read.column("label").values()) == ["<o,f0>", ""]
    assert len(read.segments) == 3
