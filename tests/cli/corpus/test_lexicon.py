"""`asr lexicon`: a lexicon of texts, manifests and language models, saying where every word came from."""

import pytest

from asr.__main__ import run
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units


@pytest.fixture
def text(tmp_path):
    (tmp_path / "text.txt").write_text("THE CAT SAT\nTHE GATHERCOLE READ\n")
    return tmp_path / "text.txt"


def test_words_of_a_text(text, tmp_path, capsys):
    out = tmp_path / "lexicon.txt"
    assert run(["lexicon", str(text), "--out", str(out), "--rare", "0"]) == 0
    printed = capsys.readouterr().out
    assert "CMUdict\t4 words\t83.3 % of the text\tTHE CAT READ SAT" in printed
    assert "espeak-ng\t1 words\t16.7 % of the text\tGATHERCOLE" in printed
    assert f"{out}\t5 words" in printed
    entries = Lexicon.from_file(out).entries
    assert entries["CAT"] == [("k", "æ", "t")]
    assert entries["READ"] == [("ɹ", "ɛ", "d"), ("ɹ", "i", "d")]


def test_frequent_words_and_those_of_a_language_model(text, tmp_path):
    out = tmp_path / "lexicon.txt"
    assert run(["lexicon", str(text), "--out", str(out), "--least", "2", "--rare", "0"]) == 0
    assert Lexicon.from_file(out).words == ["THE"]
    assert run(["lm", "train", str(text), "--order", "1", "--out", str(tmp_path / "lm")]) == 0
    assert run(["lexicon", str(tmp_path / "lm"), "--out", str(out), "--rare", "0"]) == 0
    assert Lexicon.from_file(out).words == ["CAT", "GATHERCOLE", "READ", "SAT", "THE"]


def test_your_dictionary_comes_first_and_units_confine_the_phones(text, tmp_path, capsys):
    (tmp_path / "own.txt").write_text("CAT K AA T\n")
    Units("phones", ["<blank>", "k", "ɑ", "t", "s", "æ"]).save(tmp_path / "units.txt")
    out = tmp_path / "lexicon.txt"
    options = ["--dictionary", str(tmp_path / "own.txt"), "--units", str(tmp_path / "units.txt")]
    assert run(["lexicon", str(text), "--out", str(out), *options]) == 0
    assert Lexicon.from_file(out).entries == {"CAT": [("k", "ɑ", "t")], "SAT": [("s", "æ", "t")]}
    assert "left out\t3 words that no source can say" in capsys.readouterr().out


def test_another_language(tmp_path):
    (tmp_path / "text.txt").write_text("guten tag\n")
    out = tmp_path / "lexicon.txt"
    assert run(["lexicon", str(tmp_path / "text.txt"), "--out", str(out), "--language", "de", "--rare", "0"]) == 0
    assert Lexicon.from_file(out).entries["tag"] == [("t", "ɑː", "k")]


def test_like_another_lexicon(text, tmp_path):
    (tmp_path / "old.txt").write_text("CAT æ\nZED z\n")
    out = tmp_path / "lexicon.txt"
    assert run(["lexicon", str(text), "--out", str(out), "--like", str(tmp_path / "old.txt"), "--rare", "0"]) == 0
    entries = Lexicon.from_file(out).entries
    assert entries["CAT"] == [("æ",)] and entries["ZED"] == [("z",)]
