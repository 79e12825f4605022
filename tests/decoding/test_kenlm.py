"""KenLM's own library as a scorer."""

import sys

import numpy as np
import pytest
from slow_ngrams import made_up_text

from asr.decoding.arpa_writing import write_arpa
from asr.decoding.automaton import build_model
from asr.decoding.kenlm import KenlmModel
from asr.decoding.kneser_ney import train_ngrams
from asr.decoding.lm_files import is_kenlm_binary, load_lm
from asr.errors import DecodingError, MissingExtraError


def test_missing_package_says_which_extra(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "kenlm", None)
    with pytest.raises(MissingExtraError, match=r"asr\[kenlm\]"):
        KenlmModel(tmp_path / "model.bin")


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
