"""The verbs prepare, validate, convert and download, from the command line to files and exit codes."""

from __future__ import annotations

import json

import pytest

from asr.__main__ import run
from asr.corpus.manifest import load_manifest
from asr.corpus.preparation import CORPORA, OPTIONS, USES, Request


@pytest.fixture
def table(tmp_path, make_audio):
    """Six speakers of two recordings each."""
    rows = ["audio,text,speaker"]
    for i in range(12):
        make_audio(tmp_path / f"r{i:02d}.wav", 1.0)
        rows.append(f"r{i:02d}.wav,HELLO {i},s{i % 6}")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    return tmp_path / "t.csv"


def test_your_own_table_in_one_command(table, tmp_path, capsys):
    assert run(["prepare", "--csv", str(table), "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == "train 8\ndev 2\ntest 2\n"
    assert len(load_manifest(tmp_path / "out" / "train.jsonl")) == 8


def test_validate_lists_fixes_and_exits(table, tmp_path, capsys):
    run(["prepare", "--csv", str(table), "--out", str(tmp_path)])
    train, test = str(tmp_path / "train.jsonl"), str(tmp_path / "test.jsonl")
    capsys.readouterr()
    assert run(["validate", test, "--against", train]) == 0
    assert capsys.readouterr().out == "0 errors, 0 warnings\n"
    victim = load_manifest(train)[0]
    (tmp_path / victim.audio).unlink()
    assert run(["validate", train]) == 1
    first, last = capsys.readouterr().out.splitlines()
    assert first.startswith(f"error: {victim.id}: ")
    assert last == "1 errors, 0 warnings"
    assert run(["validate", train, "--fix", str(tmp_path / "fixed.jsonl")]) == 0
    assert "7 kept, 0 trimmed, 1 dropped" in capsys.readouterr().out
    assert run(["validate", str(tmp_path / "fixed.jsonl")]) == 0


@pytest.mark.parametrize("form", ["kaldi", "nemo"])
def test_convert_and_prepare_again(table, tmp_path, form, capsys):
    run(["prepare", "--csv", str(table), "--out", str(tmp_path / "own")])
    for split in ("train", "dev", "test"):
        out = tmp_path / form / (split if form == "kaldi" else f"{split}.json")
        assert run(["convert", str(tmp_path / "own" / f"{split}.jsonl"), "--to", form, "--out", str(out)]) == 0
    assert run(["prepare", form, "--corpus", str(tmp_path / form), "--out", str(tmp_path / "back")]) == 0
    for split in ("train", "dev", "test"):
        before, after = (load_manifest(tmp_path / name / f"{split}.jsonl") for name in ("own", "back"))
        assert before == after


def test_digits_from_the_command_line(tmp_path, capsys):
    pytest.importorskip("espeakng_loader")
    assert run(["prepare", "digits", "--out", str(tmp_path), "--sizes", "3", "1", "1", "--seed", "2"]) == 0
    assert capsys.readouterr().out == "train 3\ndev 1\ntest 1\n"
    assert json.loads((tmp_path / "test.jsonl").read_text())["synthetic"] is True


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["prepare", "timit"], "timit: is not a known corpus; choose from an4"),
        (["prepare"], "needs one source; give either --csv FILE or --folder DIR"),
        (["prepare", "an4", "--seed", "3"], "--seed: means nothing for an4; its options are --corpus"),
        (["prepare", "digits", "--corpus", "."], "--corpus: means nothing for digits; its options are --sizes --seed"),
        (["download", "timit"], "timit: is not a corpus that can be downloaded"),
    ],
)
def test_usage_errors_name_the_remedy_and_exit_2(arguments, message, tmp_path, capsys):
    assert run([*arguments, "--out", str(tmp_path / "out")]) == 2
    assert message in capsys.readouterr().err


def test_a_missing_corpus_exits_1(tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("ASR_CORPORA", raising=False)
    assert run(["prepare", "an4", "--out", str(tmp_path)]) == 1
    assert "run 'asr download an4 --out DIR'" in capsys.readouterr().err


def test_download_prints_the_folder_of_a_corpus_at_hand(tmp_path, capsys, monkeypatch):
    (tmp_path / "yesno").mkdir()
    monkeypatch.setenv("ASR_CORPORA", str(tmp_path))
    assert run(["download", "yesno", "--out", str(tmp_path / "out")]) == 0
    assert capsys.readouterr().out == f"{tmp_path / 'yesno'}\n"


def test_every_option_belongs_to_some_corpus():
    assert set(USES) == set(CORPORA)
    assert set(OPTIONS) == set(Request.__dataclass_fields__) == set().union(*USES.values())
