"""KenLM's own library as a scorer."""

import sys
import types

import numpy as np
import pytest
from slow_ngrams import made_up_text

from asr.__main__ import run
from asr.errors import DecodingError, MissingExtraError
from asr.lm.arpa_writing import write_arpa
from asr.lm.automaton import build_model
from asr.lm.files import is_kenlm_binary, load_lm
from asr.lm.kenlm import KenlmModel
from asr.lm.kneser_ney import train_ngrams


def test_missing_package_says_which_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(MissingExtraError, match=r"asr\[kenlm\]"):
        KenlmModel(tmp_path / "model.bin")


class FakeModel:
    """KenLM's Python interface with one word of log10 probability -1 and an end of -0.5."""

    order = 2

    def __init__(self, path):
        if path.endswith("broken"):
            raise OSError("not a\nbinary")

    def __contains__(self, word):
        return word == "a"

    def full_scores(self, sentence, bos, eos):
        yield from ((-1.0 if word == "a" else -7.0, 1, word != "a") for word in sentence.split())
        if eos:
            yield (-0.5 if bos else -0.7, 1, False)


@pytest.fixture
def fake_kenlm(monkeypatch):
    package = types.ModuleType("kenlm")
    package.Model = FakeModel
    monkeypatch.setitem(sys.modules, "kenlm", package)


def test_scores_are_natural_logarithms_of_words_and_end(fake_kenlm, tmp_path):
    (tmp_path / "model").touch()
    model = KenlmModel(tmp_path / "model")
    np.testing.assert_allclose(model.word_scores(["a", "b"]), np.array([-1.0, -7.0, -0.5]) * np.log(10))
    assert model.score(["a"], bos=False) == pytest.approx(-1.7 * np.log(10))
    assert model.score(["a"], eos=False) == pytest.approx(-1.0 * np.log(10))
    assert model.unknown(["a", "b"]).tolist() == [False, True]
    assert model.order == 2


def test_what_kenlm_cannot_read_is_one_line(fake_kenlm, tmp_path):
    (tmp_path / "broken").touch()
    with pytest.raises(DecodingError, match=r"KenLM cannot read it \(not a binary\)"):
        KenlmModel(tmp_path / "broken")


def test_a_binary_is_scored_by_the_verb(fake_kenlm, tmp_path, capsys):
    (tmp_path / "model.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    (tmp_path / "text.txt").write_text("a b\n")
    assert run(["lm", "score", str(tmp_path / "model.bin"), str(tmp_path / "text.txt")]) == 0
    assert capsys.readouterr().out.startswith("-8.500000\t1\ta b")


def test_scores_equal_ours(tmp_path):
    pytest.importorskip("kenlm")
    tables = train_ngrams(made_up_text(200, 60), 3)
    write_arpa(tables, tmp_path / "lm.arpa")
    theirs, ours = KenlmModel(tmp_path / "lm.arpa"), build_model(tables)
    assert theirs.order == 3
    for sentence in made_up_text(20, 90, seed=3):
        np.testing.assert_allclose(theirs.word_scores(sentence), ours.word_scores(sentence), atol=1e-5)
        assert theirs.unknown(sentence).tolist() == ours.unknown(sentence).tolist()
        assert theirs.score(sentence) == pytest.approx(ours.score(sentence), abs=1e-4)


def test_broken_or_missing_file_is_an_error(tmp_path):
    pytest.importorskip("kenlm")
    (tmp_path / "broken.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0" + b"x" * 99)
    with pytest.raises(DecodingError, match=r"broken\.bin"):
        KenlmModel(tmp_path / "broken.bin")
    with pytest.raises(DecodingError, match="does not exist"):
        KenlmModel(tmp_path / "nothing.bin")


def test_a_binary_cannot_be_decoded_with(tmp_path):
    (tmp_path / "model.bin").write_bytes(b"mmap lm http://kheafield.com/code format version 5\n\0")
    assert is_kenlm_binary(tmp_path / "model.bin")
    with pytest.raises(DecodingError, match="KenLM binary") as caught:
        load_lm(tmp_path / "model.bin")
    assert "ARPA" in caught.value.remedy
