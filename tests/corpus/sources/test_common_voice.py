"""Common Voice: the official tables and any others, and what is left out of them."""

from __future__ import annotations

import pytest

from asr.corpus.manifest import load_manifest
from asr.corpus.sources.common_voice import prepare, spoken_text
from asr.errors import CorpusError, TableError

HEAD = "client_id\tpath\tsentence_id\tsentence\tup_votes\n"


@pytest.fixture
def language(tmp_path, make_audio):
    """A language's folder as it is downloaded: four speakers, none in two tables."""
    folder = tmp_path / "cy"
    for number in range(8):
        make_audio(folder / "clips" / f"c{number}.wav")

    def row(number, speaker, sentence="Bore da."):
        return f"{speaker}\tc{number}.wav\tx{number}\t{sentence}\t2\n"

    (folder / "train.tsv").write_text(
        HEAD + row(0, "a", 'Mae "hi" yma') + row(1, "a", "’Sdim ots, d’wedodd!") + row(2, "b", "10 munud") + row(3, "b")
    )
    (folder / "dev.tsv").write_text(HEAD + row(4, "c"))
    (folder / "test.tsv").write_text(HEAD + row(5, "d") + row(6, "d", "...") + row(9, "d"))
    return folder


def test_the_official_tables_are_the_splits(language, tmp_path):
    assert prepare(language, tmp_path / "data") == {"train": 3, "dev": 1, "test": 1}
    train = load_manifest(tmp_path / "data" / "train.jsonl")
    assert [(u.id, u.speaker, u.text) for u in train] == [
        ("c0", "a", "MAE HI YMA"),
        ("c1", "a", "SDIM OTS D'WEDODD"),
        ("c3", "b", "BORE DA"),
    ]


def test_what_is_left_out_is_said(language, tmp_path, caplog):
    (language / "clips" / "c4.wav").write_bytes(b"no audio")
    with caplog.at_level("WARNING"):
        prepare(language, tmp_path / "data")
    said = caplog.text
    assert "train.tsv: 1 left out for digits in the text" in said
    assert "test.tsv: 1 left out for having no words; 1 left out for want of the recording" in said
    assert "dev.tsv: 1 left out for an unreadable recording" in said


def test_other_tables_by_name_and_dev_from_whole_speakers(language, tmp_path):
    (language / "dev.tsv").unlink()
    (language / "all.tsv").write_text("audio\ttext\tspeaker\nclips/c7.wav\tDIOLCH\te\n")
    counts = prepare(language, tmp_path / "data", train=["train", "test"], test=["all"])
    assert sum(counts.values()) == 5
    speakers = {
        split: {u.speaker for u in load_manifest(tmp_path / "data" / f"{split}.jsonl")} for split in ("train", "dev")
    }
    assert not speakers["train"] & speakers["dev"]


def test_a_broken_row_and_a_missing_table_are_refused(language, tmp_path):
    with pytest.raises(CorpusError, match=r"other\.tsv: does not exist"):
        prepare(language, tmp_path / "data", train=["other"])
    (language / "train.tsv").write_text(HEAD + "a\tc0.wav\tBore da\n")
    with pytest.raises(TableError):
        prepare(language, tmp_path / "data")


@pytest.mark.parametrize(
    ("sentence", "text"),
    [
        ("Straße, bitte!", "STRASSE BITTE"),
        ("l’été — déjà", "L'ÉTÉ DÉJÀ"),
        ("'tis 'quoted'", "TIS QUOTED"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया"),
        ("١٢ دقيقة", None),
        ("?!", ""),
    ],
)
def test_a_sentence_as_it_is_spoken(sentence, text):
    assert spoken_text(sentence) == text
