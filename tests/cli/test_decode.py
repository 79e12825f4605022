"""`asr decode`, `tune`, `align`, `export` and `lm rescore` as a user meets them: results, and every kind of bad input.

The model is untrained, so its text is nonsense, but always the same nonsense: the references are made from it.
"""

import json
import re

import numpy as np
import pytest
import torch
import yaml
from tests_model import RATE, sounds, write_model

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.decoding.paths.log_probs import write_log_probs
from asr.errors import AsrError
from asr.units import BLANK_SYMBOL, Units

ARPA = """
\\data\\
ngram 1=6
ngram 2=2

\\1-grams:
-1.0 <unk>
-99 <s> -0.3
-0.9 </s>
-0.6 ab -0.2
-0.7 cd -0.2
-0.8 abba -0.1

\\2-grams:
-0.2 <s> ab
-0.4 ab cd

\\end\\
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, a manifest of four utterances, its greedy decoding, and a language model of what was heard."""
    folder = tmp_path_factory.mktemp("decode")
    write_model(folder / "model")
    utterances = []
    for index, wave in enumerate(sounds(4, seed=3)):
        write_audio(folder / f"u{index}.wav", wave, RATE)
        utterances.append(Utterance(f"u{index}", f"u{index}.wav", 0.0, len(wave) / RATE, text="ab cd", speaker="s"))
    write_manifest(folder / "set.jsonl", utterances)
    assert (
        run(["decode", str(folder / "set.jsonl"), "--model", str(folder / "model"), "--out", str(folder / "raw")]) == 0
    )
    heard = [line.rsplit(" (", 1) for line in (folder / "raw" / "hyp.trn").read_text().splitlines()]
    said = {name.rstrip(")"): " ".join([*text.split()[:-1], "ab"]) for text, name in heard}  # the last word is wrong
    (folder / "ref.trn").write_text("".join(f"{text} ({name})\n" for name, text in said.items()))
    (folder / "text.txt").write_text("".join(f"{text}\n" for text in said.values()) * 3 + "ab cd abba\n")
    assert run(["lm", "train", str(folder / "text.txt"), "--order", "2", "--out", str(folder / "lm")]) == 0
    return folder


@pytest.fixture
def asr(folder, tmp_path, capsys):
    """Run a command in which {f} is the shared folder and {o} an empty one; its exit code, output and log."""

    def call(line, **more):
        capsys.readouterr()
        code = run([part.format(f=folder, o=tmp_path, **more) for part in line.split()])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


DECODE = "decode {f}/set.jsonl --model {f}/model --out {o}/out"
TUNE = "tune {f}/raw/log_probs.npz --ref {f}/ref.trn --out {o}/tuned"


class TestTheWholePath:
    def test_decode_says_how_much_and_how_fast(self, asr, tmp_path):
        code, out, _ = asr(DECODE)
        assert code == 0
        assert re.fullmatch(
            r"\S+\t4 utterances\t\d+\.\d s of audio\treal-time factor \d\.\d{4} \(search \d\.\d{5}\)\n", out
        )
        assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
            "hyp.ctm", "hyp.trn", "log_probs.npz", "ref.stm", "ref.trn",
        ]  # fmt: skip

    def test_tune_export_and_decode(self, asr, folder, tmp_path):
        code, out, err = asr(TUNE + " --lm {f}/lm --alphas 0,0.5 --betas 0,1 --beam-size 8")
        assert code == 0, err
        assert re.search(r"^alpha \S+  beta \S+  token_threshold -\d+  beam_threshold \d+$", out, re.M)
        assert re.search(r"^%WER \d+\.\d\d \[ \d+ / \d+ \]", out, re.M)
        tuned = yaml.safe_load((tmp_path / "tuned" / "tuned.yaml").read_text())["decoding"]
        assert asr("export --model {f}/model --lm {f}/lm --tuned {o}/tuned --out {o}/packed")[0] == 0
        packed = "decode {f}/set.jsonl --model {o}/packed --out {o}/"
        assert asr(packed + "by-itself")[0] == 0
        weights = f" --alpha {tuned['alpha']} --beta {tuned['beta']} --beam-size 32 --lm {{f}}/lm"
        assert asr(packed + "in-words" + weights)[0] == 0
        texts = [(tmp_path / name / "hyp.trn").read_text() for name in ("by-itself", "in-words")]
        assert texts[0] == texts[1]
        assert (tmp_path / "packed" / "confidence.json").is_file()

    def test_nbest_lists_are_rescored_and_scored(self, asr, folder, tmp_path):
        assert asr(DECODE + " --beam-size 16 --nbest 5 --lm {f}/lm")[0] == 0
        small = " --set epochs=1 --set embedding=4 --set hidden=4"
        assert asr("lm train {f}/text.txt --lstm --dev {f}/text.txt --out {o}/lstm" + small)[0] == 0
        rescore = "lm rescore {o}/out/nbest.jsonl --lstm {o}/lstm --out {o}/rescored.jsonl"
        code, out, err = asr(rescore + " --tune-nbest {o}/out/nbest.jsonl --manifest {f}/set.jsonl")
        assert code == 0, err
        assert "words wrong, before" in out
        lists = [json.loads(line) for line in (tmp_path / "rescored.jsonl").read_text().splitlines()]
        assert [row["id"] for row in lists] == [f"u{n}" for n in range(4)]
        assert all(row["nbest"] == sorted(row["nbest"], key=lambda r: -r["score"]) for row in lists)
        code, out, _ = asr("score -r {f}/ref.trn -h {o}/rescored.jsonl")
        assert code == 0
        assert "%WER" in out

    def test_confidences_are_judged_by_the_scorer(self, asr):
        assert asr(DECODE + " --beam-size 8")[0] == 0
        code, out, _ = asr("score -r {f}/ref.trn -h {o}/out/hyp.ctm")
        assert code == 0
        assert "expected calibration error" in out

    def test_align_names_what_it_cannot_align(self, asr, folder, tmp_path):
        lines = (folder / "set.jsonl").read_text().splitlines()
        rows = [{**json.loads(line), "audio": str(folder / json.loads(line)["audio"])} for line in lines]
        rows[1]["text"], rows[2]["text"] = "xyz", "ab " * 500
        (tmp_path / "set.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        code, out, err = asr("align {o}/set.jsonl --model {f}/model --out {o}/words.ctm")
        assert code == 1
        assert "2 utterances" in out
        assert re.search(r"utterance u1: .*'xyz', which the units of the model cannot spell", err)
        assert re.search(r"utterance u2: .*frames", err)
        assert [line.split()[4] for line in (tmp_path / "words.ctm").read_text().splitlines()] == ["ab", "cd"] * 2


def log_probs(frames=5, size=6):
    return np.log(np.full((frames, size), 1 / size, np.float32))


class TestLogProbabilities:
    """Cached log-probabilities that cannot be decoded: `asr tune` reads them from a file."""

    @pytest.mark.parametrize(
        ("rows", "message"),
        [
            (log_probs(size=5), "has shape (5, 5) where (T, 6) is needed"),
            (np.full((5, 6), np.nan, np.float32), "frame 0 is NaN"),
            (log_probs() + 1.0, "frame 0 sums to 2.718 and not to 1"),
            (np.zeros((5, 6), np.float32), "frame 0 sums to 6 and not to 1"),
        ],
        ids=["wrong shape", "NaN", "unnormalised", "probabilities instead of logarithms"],
    )
    def test_are_named(self, asr, folder, tmp_path, rows, message):
        units = folder / "model" / "units.txt"
        pairs = [("good", log_probs()), ("bad", rows)]
        write_log_probs(tmp_path / "set.npz", pairs, units=units, seconds_per_frame=0.02)
        (tmp_path / "ref.trn").write_text("ab (good)\nab (bad)\n")
        code, _, err = asr("tune {o}/set.npz --ref {o}/ref.trn --lm {f}/lm --out {o}/tuned --alphas 1 --betas 0")
        assert code == 1
        assert message in err
        assert "bad" in err
        assert not (tmp_path / "tuned").exists()

    @pytest.mark.parametrize("content", [b"", b"junk", b"PK\x03\x04 cut"])
    def test_that_are_no_cache_are_refused(self, asr, tmp_path, content):
        (tmp_path / "set.npz").write_bytes(content)
        code, _, err = asr("tune {o}/set.npz --ref {f}/ref.trn --lm {f}/lm --out {o}/tuned")
        assert code == 1
        assert "cannot be read as cached log-probabilities" in err

    @pytest.mark.parametrize("search", ["", " --beam-size 4"])
    def test_of_a_broken_model_name_every_utterance(self, asr, tmp_path, search):
        write_model(tmp_path / "model")
        from safetensors.torch import load_file, save_file

        weights = load_file(tmp_path / "model" / "model.safetensors")
        weights["output.bias"] = torch.full_like(weights["output.bias"], torch.nan)
        save_file(weights, tmp_path / "model" / "model.safetensors")
        decode = "decode {f}/set.jsonl --model {o}/model --out {o}/out" + search
        code, _, err = asr(decode)
        assert code == 1
        assert "model.onnx: was made of other weights than model.safetensors has; delete it" in err
        (tmp_path / "model" / "model.onnx").unlink()
        code, _, err = asr(decode)
        assert code == 1
        assert all(f"utterance u{n}" in err for n in range(4))
        assert "frame 0 is NaN" in err
        assert (tmp_path / "out" / "hyp.trn").read_text() == ""


class TestLanguageModels:
    def test_arpa_is_decoded_with(self, asr, tmp_path):
        (tmp_path / "lm.arpa").write_text(ARPA)
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/lm.arpa")
        assert code == 0, err

    @pytest.mark.parametrize("verb", ["decode", "convert", "info", "prune", "tune"])
    def test_arpa_cut_in_the_middle(self, asr, tmp_path, verb):
        (tmp_path / "cut.arpa").write_text(ARPA[: len(ARPA) // 2])
        code, _, err = asr({
            "decode": DECODE + " --beam-size 4 --lm {o}/cut.arpa",
            "convert": "lm convert {o}/cut.arpa {o}/lm",
            "info": "lm info {o}/cut.arpa",
            "prune": "lm prune {o}/cut.arpa {o}/lm --threshold 1e-4",
            "tune": TUNE + " --lm {o}/cut.arpa",
        }[verb])  # fmt: skip
        assert code == 1
        assert "cut.arpa" in err
        assert err.count("asr: error:") == 1
        assert not any((tmp_path / name).exists() for name in ("lm", "out", "tuned"))

    def test_arpa_with_missing_backoffs_is_a_counted_warning(self, asr, tmp_path):
        (tmp_path / "lm.arpa").write_text(ARPA.replace("ab -0.2", "ab"))
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/lm.arpa")
        assert code == 0
        assert "1 1-grams are contexts without a back-off" in err

    def test_folder_that_is_not_whole(self, asr, folder, tmp_path):
        (tmp_path / "lm").mkdir()
        for path in (folder / "lm").iterdir():
            (tmp_path / "lm" / path.name).write_bytes(path.read_bytes()[: 40 if path.name == "slots.npy" else None])
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/lm")
        assert code == 1
        assert "is not a whole n-gram model" in err

    def test_words_of_another_case(self, asr, tmp_path):
        (tmp_path / "lm.arpa").write_text(re.sub("abba|ab|cd", lambda match: match[0].upper(), ARPA))
        for command in (DECODE + " --beam-size 4 --lm {o}/lm.arpa", TUNE + " --lm {o}/lm.arpa"):
            code, _, err = asr(command)
            assert code == 1
            assert "3 of 3 words of the language model cannot be spelled in the units" in err
            assert "lower-casing would make 3 of 3 fit" in err

    def test_a_model_over_characters_that_says_words(self, asr, folder, tmp_path):
        assert asr("lm train {f}/text.txt --unit characters --order 2 --out {o}/lm.arpa")[0] == 0
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/lm.arpa")
        assert code == 1
        assert "is over characters ('<space>' is one of its words)" in err
        assert asr("lm convert {o}/lm.arpa {o}/lm --unit characters")[0] == 0  # as the remedy says
        assert asr(DECODE + " --beam-size 4 --lm {o}/lm")[0] == 0

    def test_a_model_over_the_units_of_another_recogniser(self, asr, folder, tmp_path):
        Units("characters", [BLANK_SYMBOL, " ", *"abcd", *"efghij"]).save(tmp_path / "units.txt")
        (tmp_path / "text.txt").write_text("egg hij\nfig efgh\n")
        train = "lm train {o}/text.txt --unit units --units {o}/units.txt --order 2 --out {o}/lm"
        assert asr(train)[0] == 0
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/lm")
        assert code == 1
        assert "4 of 5 units are not in the language model (a, b, c, d)" in err

    def test_an_lstm_or_nothing_at_all(self, asr, tmp_path):
        (tmp_path / "lstm").mkdir()
        (tmp_path / "lstm" / "model.safetensors").touch()
        assert "an LSTM rescores n-best lists" in asr(DECODE + " --beam-size 4 --lm {o}/lstm")[2]
        code, _, err = asr(DECODE + " --beam-size 4 --lm {o}/nothing")
        assert code == 1
        assert "nothing" in err


class TestLexicons:
    def test_words_outside_are_counted(self, asr, folder, tmp_path):
        (tmp_path / "words.txt").write_text("ab\nabba\nxyz\n")
        code, _, err = asr(DECODE + " --beam-size 8 --lexicon {o}/words.txt")
        assert code == 0
        assert "1 of 3 words of the lexicon cannot be spelled in the units (xyz)" in err
        assert "4 of 8 reference words are outside the lexicon and cannot be recognised (cd)" in err
        (tmp_path / "words.txt").write_text("cd\nabba\n")
        code, _, err = asr(TUNE + " --lexicon {o}/words.txt --betas 0")
        assert code == 0
        assert err.count("reference words are outside the lexicon and cannot be recognised (ab") == 1

    def test_hotwords_outside_can_never_be_heard(self, asr, tmp_path):
        (tmp_path / "words.txt").write_text("ab\nabba\n")
        (tmp_path / "hot.txt").write_text("ab\ncd\n")
        code, _, err = asr(DECODE + " --beam-size 8 --lexicon {o}/words.txt --hotwords {o}/hot.txt")
        assert code == 0
        assert "1 of 2 phrases have words outside the lexicon and can never be recognised (cd)" in err
        assert re.search(r"hotwords that did not occur: [12] of 2 \((ab, )?cd\)", err)

    @pytest.mark.parametrize(
        ("content", "message"),
        [("", "has no words"), ("AB\nCD\n", "2 of 2 words of the lexicon cannot be spelled"), ("ab a b\ncd\n", "lack")],
        ids=["empty", "upper case", "half with pronunciations"],
    )
    def test_that_cannot_be_used(self, asr, tmp_path, content, message):
        (tmp_path / "words.txt").write_text(content)
        code, _, err = asr(DECODE + " --beam-size 8 --lexicon {o}/words.txt")
        assert code == 1
        assert message in err
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("command", "code", "message"),
    [
        (DECODE + " --beam-size 4 --alpha 0.5", 2, "--alpha: has no effect without a language model"),
        (DECODE + " --lm {f}/lm", 2, "--lm: has no effect on greedy decoding"),
        (DECODE + " --nbest 5", 2, "--nbest: has no effect on greedy decoding"),
        (DECODE + " --nj 0", 2, "--nj"),
        (DECODE + " --beam-size 4 --hotwords {f}/nothing.txt", 1, "nothing.txt"),
        ("decode {f}/nothing.jsonl --model {f}/model --out {o}/out", 1, "nothing.jsonl"),
        ("decode {f}/set.jsonl --model {f}/nothing --out {o}/out", 1, "nothing"),
        (TUNE, 2, "no weight to tune"),
        (TUNE + " --lm {f}/lm --alphas 3:1:1", 2, "--alphas"),
        (TUNE + " --lm {f}/lm --units {f}/nothing", 1, "nothing"),
        ("lm rescore {f}/nothing --lstm {f}/lm --out {o}/out", 1, "nothing"),
        ("lm rescore {f}/nothing --lstm {f}/lm --out {o}/out --manifest {f}/set.jsonl", 2, "--tune-nbest"),
        ("align {f}/nothing --model {f}/model --out {o}/out", 1, "nothing"),
    ],
)
def test_failures_are_one_line_and_leave_nothing(asr, tmp_path, command, code, message):
    found, _, err = asr(command)
    assert found == code
    assert message in err
    assert "Traceback" not in err
    assert not list(tmp_path.iterdir())


def test_errors_cross_processes_whole(asr, tmp_path):
    """An error of a worker process reads as one of this process."""
    (tmp_path / "lm.arpa").write_text(ARPA[:60])
    codes = [asr(DECODE + f" --beam-size 4 --lm {{o}}/lm.arpa --nj {jobs}") for jobs in (1, 2)]
    assert codes[0][0] == codes[1][0] == 1
    assert codes[0][2].splitlines()[-1] == codes[1][2].splitlines()[-1]
    assert issubclass(AsrError, Exception)
