"""`asr lm`: from text to a model, its scores, its pruned and converted forms."""

import gzip
import math

import pytest
from slow_ngrams import made_up_text

from asr.__main__ import run
from asr.config.sections import UnitsConfig
from asr.lm.arpa_reading import read_arpa
from asr.lm.ngram import NGramModel
from asr.units import Units, build_units

TEXT = "".join(" ".join(sentence) + "\n" for sentence in made_up_text(200, 60))


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text(TEXT)
    return path


def test_train_writes_a_folder_or_arpa_of_the_same_model(text, tmp_path, capsys):
    assert run(["lm", "train", str(text), "--order", "3", "--out", str(tmp_path / "lm")]) == 0
    assert run(["lm", "train", str(text), "--order", "3", "--out", str(tmp_path / "lm.arpa.gz")]) == 0
    folder, arpa = NGramModel.load(tmp_path / "lm"), read_arpa(tmp_path / "lm.arpa.gz")
    assert folder.arc_counts == [len(table) for table in arpa.orders]
    assert str(folder.arc_counts[2]) in capsys.readouterr().out


def test_score_prints_each_sentence_and_the_perplexity(text, tmp_path, capsys):
    (tmp_path / "new.txt").write_text("w0 w1\nzebra\n")
    run(["lm", "train", str(text), "--out", str(tmp_path / "lm")])
    capsys.readouterr()
    assert run(["lm", "score", str(tmp_path / "lm"), str(tmp_path / "new.txt")]) == 0
    first, second, counts, _, perplexity = capsys.readouterr().out.splitlines()
    model = NGramModel.load(tmp_path / "lm")
    log10 = [float(line.split("\t")[0]) for line in (first, second)]
    assert log10[0] == pytest.approx(model.score(["w0", "w1"]) / math.log(10), abs=1e-5)
    assert first.endswith("\t0\tw0 w1")
    assert second.endswith("\t1\tzebra")
    assert counts.startswith("sentences 2\twords 5")
    including, excluding = (float(part.split()[-1]) for part in perplexity.split("\t"))
    assert including == pytest.approx(10 ** (-sum(log10) / 5), rel=1e-4)
    unknown = model.step(model.start_state, 0)[0] / math.log(10)
    assert excluding == pytest.approx(10 ** (-(sum(log10) - unknown) / 4), rel=1e-4)


def test_score_summary_prints_totals_only(text, tmp_path, capsys):
    run(["lm", "train", str(text), "--out", str(tmp_path / "lm.arpa")])
    capsys.readouterr()
    assert run(["lm", "score", str(tmp_path / "lm.arpa"), str(text), "--summary"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 3


def test_prune_and_cutoffs_make_the_model_smaller(text, tmp_path):
    sizes = []
    for options in ([], ["--prune", "1e-4"], ["--cutoffs", "0,0,1"]):
        run(["lm", "train", str(text), "--order", "3", "--out", str(tmp_path / "lm"), *options])
        sizes.append(sum(NGramModel.load(tmp_path / "lm").arc_counts))
    assert sizes[1] < sizes[0] > sizes[2]


def test_prune_verb_equals_pruning_while_training(text, tmp_path):
    run(["lm", "train", str(text), "--out", str(tmp_path / "a"), "--prune", "1e-4"])
    run(["lm", "train", str(text), "--out", str(tmp_path / "whole")])
    assert run(["lm", "prune", str(tmp_path / "whole"), str(tmp_path / "b"), "--threshold", "1e-4"]) == 0
    assert NGramModel.load(tmp_path / "a").arc_counts == NGramModel.load(tmp_path / "b").arc_counts


def test_convert_both_ways(text, tmp_path):
    run(["lm", "train", str(text), "--out", str(tmp_path / "lm")])
    assert run(["lm", "convert", str(tmp_path / "lm"), str(tmp_path / "lm.arpa")]) == 0
    assert run(["lm", "convert", str(tmp_path / "lm.arpa"), str(tmp_path / "again")]) == 0
    first, second = NGramModel.load(tmp_path / "lm"), NGramModel.load(tmp_path / "again")
    assert first.score(["w0", "w3"]) == pytest.approx(second.score(["w0", "w3"]), abs=1e-5)


def test_info(text, tmp_path, capsys):
    run(["lm", "train", str(text), "--order", "2", "--unit", "characters", "--out", str(tmp_path / "lm")])
    capsys.readouterr()
    assert run(["lm", "info", str(tmp_path / "lm")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == ["order 2", "unit characters"]
    assert any(line.startswith("2-grams ") for line in lines)


def test_info_checks_that_model_units_and_lexicon_fit(text, tmp_path, capsys):
    lm = str(tmp_path / "lm")
    run(["lm", "train", str(text), "--out", lm])
    (tmp_path / "words.txt").write_text("w0\nw1\nw999\n")
    for name, symbols in (("fits", "w0123456789"), ("upper", "W0123456789")):
        Units("characters", ["<blank>", " ", *symbols]).save(tmp_path / name)
    capsys.readouterr()
    check = ["lm", "info", lm, "--lexicon", str(tmp_path / "words.txt"), "--units"]
    assert run([*check, str(tmp_path / "fits")]) == 0
    assert "lexicon words outside the model 1 of 3" in capsys.readouterr().out
    assert run([*check, str(tmp_path / "upper")]) == 1
    assert "differ in case" in capsys.readouterr().err


def test_unit_models_spell_the_text_they_score(tmp_path, capsys):
    units = build_units(["hello world", "hell low"] * 5, UnitsConfig(kind="bpe", size=14))
    units.save(tmp_path / "units.txt")
    (tmp_path / "text.txt").write_text("hello world\nhell low\n" * 5)
    spelled = ["--units", str(tmp_path / "units.txt")]
    text, lm = str(tmp_path / "text.txt"), str(tmp_path / "lm")
    assert run(["lm", "train", text, "--unit", "units", *spelled, "--out", lm]) == 0
    assert run(["lm", "score", lm, text, "--summary", *spelled]) == 0
    assert "unknown 0" in capsys.readouterr().out
    assert run(["lm", "score", lm, text]) == 2


def test_packed_text_and_several_sources(text, tmp_path):
    packed = tmp_path / "more.txt.gz"
    packed.write_bytes(gzip.compress(b"extra words\n"))
    assert run(["lm", "train", str(text), str(packed), "--out", str(tmp_path / "lm")]) == 0
    assert "extra" in NGramModel.load(tmp_path / "lm").ids


def test_lstm_is_trained_scored_and_described_as_what_it_is(text, tmp_path, capsys):
    lm = str(tmp_path / "lstm")
    small = ["--set", "epochs=1", "--set", "embedding=4", "--set", "hidden=4"]
    assert run(["lm", "train", str(text), "--lstm", "--dev", str(text), "--out", lm, *small]) == 0
    trained = float(capsys.readouterr().out.split()[-1])
    assert run(["lm", "score", lm, str(text), "--summary"]) == 0
    assert float(capsys.readouterr().out.splitlines()[-1].split()[1]) == pytest.approx(trained, abs=0.01)
    assert run(["lm", "info", lm]) == 1
    assert "LSTM" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["train", "{text}", "--out", "{out}", "--order", "7"], 2, "--order"),
        (["train", "{text}", "--out", "{out}", "--cutoffs", "a"], 2, "--cutoffs"),
        (["train", "{text}", "--out", "{out}", "--unit", "units"], 2, "units.txt"),
        (["train", "{text}", "--out", "{out}", "--lstm"], 2, "--dev"),
        (["train", "{text}", "--out", "{out}", "--lstm", "--dev", "{text}", "--set", "x=1"], 2, "x"),
        (["train", "{text}", "--out", "{out}", "--lstm", "--dev", "{text}", "--prune", "1"], 2, "is for n-gram models"),
        (["train", "{text}", "--out", "{out}", "--resume"], 2, "add --lstm"),
        (["train", "{text}", "--out", "{text}"], 2, "is no n-gram model"),
        (["train", "nothing.txt", "--out", "{out}"], 1, "nothing.txt: does not exist"),
        (["score", "nothing", "{text}"], 1, "nothing"),
        (["info", "{text}"], 1, "no ARPA file"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(text, tmp_path, capsys, arguments, code, message):
    filled = [part.format(text=text, out=tmp_path / "out") for part in arguments]
    assert run(["lm", *filled]) == code
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
