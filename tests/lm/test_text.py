"""Sentences from every kind of source."""

import bz2
import gzip
import io
import json
import lzma
import types

import pytest

from asr.config.sections import UnitsConfig
from asr.errors import CorpusError, TableError, UsageError
from asr.lm.text import lm_symbols, read_lines, read_sentences, split_characters, tokenizer_for
from asr.units import Units, build_units

LINES = "one two\r\n\n  three  \nfour"


@pytest.mark.parametrize(
    ("suffix", "pack"), [("txt", bytes), ("gz", gzip.compress), ("xz", lzma.compress), ("bz2", bz2.compress)]
)
def test_plain_and_packed_text(tmp_path, suffix, pack):
    path = tmp_path / f"text.{suffix}"
    path.write_bytes(pack(LINES.encode()))
    assert list(read_sentences([path])) == [["one", "two"], ["three"], ["four"]]


def test_standard_input(monkeypatch):
    monkeypatch.setattr("sys.stdin", types.SimpleNamespace(buffer=io.BytesIO(b"a b\nc\n")))
    assert list(read_sentences(["-"])) == [["a", "b"], ["c"]]


def test_manifest_gives_its_texts(tmp_path):
    path = tmp_path / "train.jsonl"
    path.write_text(
        "".join(json.dumps({"id": str(n), "text": text}) + "\n" for n, text in enumerate(["a b", " ", "c"]))
    )
    assert list(read_sentences([path])) == [["a", "b"], ["c"]]


def test_several_sources_follow_one_another(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.txt").write_text(f"{name}\n")
    assert list(read_sentences([tmp_path / "b.txt", tmp_path / "a.txt"])) == [["b"], ["a"]]


@pytest.mark.parametrize("line", ["not json", "[1]", '{"id": "x"}', '{"text": 3}'])
def test_broken_manifest_names_the_line(tmp_path, line):
    path = tmp_path / "train.jsonl"
    path.write_text('{"text": "a"}\n' + line + "\n")
    with pytest.raises(CorpusError, match=r"train\.jsonl: line 2"):
        list(read_lines(path))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("cut.gz", gzip.compress(b"a\n" * 9999, mtime=0)[:20]),
        ("cut.xz", lzma.compress(b"a\n" * 9999)[:60]),
        ("latin.txt", b"caf\xe9\n"),
    ],
)
def test_unreadable_text_is_an_error(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(CorpusError, match=name):
        list(read_lines(tmp_path / name))


def test_missing_text_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="does not exist"):
        list(read_lines(tmp_path / "nothing.txt"))


def test_characters_show_the_space():
    assert split_characters(" ab  c ") == ["a", "b", "<space>", "c"]


def test_units_are_spelled_as_the_acoustic_model_spells_them():
    units = build_units(["hello world", "hell low"] * 5, UnitsConfig(kind="bpe", size=14))
    tokens = tokenizer_for("units", units)("hello low")
    assert "".join(tokens).replace("▁", " ").split() == ["hello", "low"]
    assert set(tokens) <= set(lm_symbols(units))


def test_symbols_of_character_units():
    assert lm_symbols(Units("characters", ["<blank>", " ", "a"])) == ["<blank>", "<space>", "a"]


def test_units_without_an_inventory_or_unknown_units_are_usage_errors():
    with pytest.raises(UsageError, match=r"units\.txt"):
        tokenizer_for("units")
    with pytest.raises(UsageError, match="syllables"):
        tokenizer_for("syllables")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.json", '{"text": "a b"}\n'),
        ("t.txt", '{"id": "1", "text": "a b"}\n\n'),
        ("t.csv", "id,text\n1,a b\n"),
        ("t.tsv", "\ufeffpath\tSentence\r\n1\ta  b\r\n"),
        ("t.txt", "\ufeffa b\r\n"),
    ],
)
def test_manifests_tables_and_byte_order_marks(tmp_path, name, content):
    """Neither keys, nor ids, nor marks become words."""
    (tmp_path / name).write_bytes(content.encode())
    assert list(read_sentences([tmp_path / name])) == [["a", "b"]]


@pytest.mark.parametrize("header", ["id,text", "path\tsentence", "Audio;Transcript;Speaker"])
def test_a_table_under_another_name_is_refused(tmp_path, header):
    (tmp_path / "t.txt").write_text(header + "\n")
    with pytest.raises(TableError, match="column names"):
        list(read_lines(tmp_path / "t.txt"))


def test_a_table_without_texts_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("id,duration\n1,2\n")
    with pytest.raises(TableError, match="no column named text"):
        list(read_lines(tmp_path / "t.csv"))


def test_an_empty_source_is_named(tmp_path, caplog):
    (tmp_path / "t.txt").write_text("\n")
    assert list(read_sentences([tmp_path / "t.txt"])) == []
    assert "t.txt: holds no words" in caplog.text
