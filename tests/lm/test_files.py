"""Models on disk, told apart by what is there."""

import pytest
from slow_ngrams import made_up_text

from asr.errors import DecodingError
from asr.lm.files import is_arpa, is_kenlm_binary, load_lm, load_tables, save_lm
from asr.lm.kneser_ney import train_ngrams

TABLES = train_ngrams(made_up_text(60, 30), 3)


@pytest.mark.parametrize(
    ("name", "arpa"), [("lm.arpa", True), ("a/b.arpa.gz", True), ("x.lm.gz", True), ("lm", False), ("lm.gz", False)]
)
def test_the_name_says_whether_to_write_arpa(name, arpa):
    assert is_arpa(name) is arpa


@pytest.mark.parametrize("name", ["lm", "lm.arpa", "lm.arpa.gz"])
def test_every_form_scores_alike(tmp_path, name):
    save_lm(TABLES, tmp_path / name)
    model = load_lm(tmp_path / name)
    assert model.arc_counts == [len(table) for table in TABLES.orders]
    save_lm(TABLES, tmp_path / "reference")
    assert model.score(["w0", "w1"]) == pytest.approx(load_lm(tmp_path / "reference").score(["w0", "w1"]), abs=1e-5)
    assert [len(table) for table in load_tables(tmp_path / name).orders] == model.arc_counts


def test_the_unit_of_an_arpa_file_is_what_the_caller_says_and_a_folder_knows_its_own(tmp_path):
    save_lm(TABLES, tmp_path / "lm.arpa")
    assert load_lm(tmp_path / "lm.arpa", "characters").unit == "characters"
    save_lm(load_tables(tmp_path / "lm.arpa", "characters"), tmp_path / "lm")
    assert load_lm(tmp_path / "lm").unit == "characters"


def test_other_files_are_no_kenlm_binaries(tmp_path):
    save_lm(TABLES, tmp_path / "lm.arpa")
    assert not is_kenlm_binary(tmp_path / "lm.arpa")
    assert not is_kenlm_binary(tmp_path / "missing")
    assert not is_kenlm_binary(tmp_path)


def test_an_lstm_cannot_be_decoded_with(tmp_path):
    (tmp_path / "lm").mkdir()
    (tmp_path / "lm" / "model.safetensors").touch()
    with pytest.raises(DecodingError, match="LSTM") as caught:
        load_lm(tmp_path / "lm")
    assert "n-best" in caught.value.remedy
