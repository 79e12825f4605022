"""`asr units`: the inventory of a training text, in one file that says what it is."""

import pytest

from asr.__main__ import run
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.units import Units


@pytest.fixture
def texts(tmp_path):
    lines = ["go home", "go on", "no go"]
    write_manifest(tmp_path / "m.jsonl", [Utterance(f"u{n}", "a.wav", 0.0, 1.0, text=t) for n, t in enumerate(lines)])
    return tmp_path / "m.jsonl"


@pytest.mark.parametrize(
    ("options", "symbols"),
    [
        ([], ["<blank>", " ", "e", "g", "h", "m", "n", "o"]),
        (["--set", "units.kind=words"], ["<blank>", "<unk>", "go", "home", "no", "on"]),
    ],
)
def test_kinds_of_units(texts, tmp_path, options, symbols, capsys):
    out = tmp_path / "units.txt"
    assert run(["units", str(texts), "--out", str(out), *options]) == 0
    assert capsys.readouterr().out == f"{out}\t{len(symbols)} units\n"
    assert Units.load(out).symbols == symbols


def test_bpe_pieces_come_with_their_model(texts, tmp_path):
    (tmp_path / "bpe.yaml").write_text("units: {kind: bpe, size: 14}\n")
    out = tmp_path / "units.txt"
    assert run(["units", str(texts), "--out", str(out), "--config", str(tmp_path / "bpe.yaml")]) == 0
    units = Units.load(out)
    assert units.decode(units.encode("go home")) == "go home"


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        (["--set", "units.kind=bpe", "--set", "units.size=5000"], 1, "units.size: cannot train 5000 pieces"),
        (["--set", "units.kind=runes"], 2, "units.kind"),
        (["--set", "units.colour=red"], 2, "unknown configuration key"),
    ],
)
def test_what_cannot_be_built_leaves_no_file(texts, tmp_path, options, code, message, capsys):
    assert run(["units", str(texts), "--out", str(tmp_path / "units.txt"), *options]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "units.txt").exists()


def test_a_manifest_without_texts_says_so_and_keeps_the_old_units(tmp_path, capsys):
    (tmp_path / "units.txt").write_text("of before\n")
    write_manifest(tmp_path / "m.jsonl", [Utterance("u", "a.wav", 0.0, 1.0)])
    assert run(["units", str(tmp_path / "m.jsonl"), "--out", str(tmp_path / "units.txt")]) == 1
    assert "training text: is empty; give a manifest whose utterances have text" in capsys.readouterr().err
    assert (tmp_path / "units.txt").read_text() == "of before\n"
