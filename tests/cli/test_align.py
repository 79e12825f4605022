"""`asr align`: a CTM with the times of a known text; what cannot be aligned is named and makes the exit code 1."""

import numpy as np
import pytest
from tests_model import RATE

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance


def align(manifest, model, out, *more):
    return run(["align", str(manifest), "--model", str(model), "--out", str(out), "--device", "cpu", *more])


def test_every_word_has_a_line_in_order_of_time(manifest, model_folder, tmp_path, capsys):
    assert align(manifest, model_folder, tmp_path / "out.ctm") == 0
    utterances = {utterance.id: utterance for utterance in load_manifest(manifest)}
    lines = [line.split() for line in (tmp_path / "out.ctm").read_text().splitlines()]
    for name, utterance in utterances.items():
        own = [line for line in lines if line[0] == name]
        assert [line[4] for line in own] == utterance.text.split()
        starts, durations = ([float(line[column]) for line in own] for column in (2, 3))
        ends = [start + length for start, length in zip(starts, durations, strict=True)]
        assert starts == sorted(starts)
        assert all(length >= 0 for length in durations)
        assert max(ends) <= utterance.duration + 0.05
    path, count, score = capsys.readouterr().out.strip().split("\t")
    assert (path, count) == (str(tmp_path / "out.ctm"), "4 utterances")
    assert float(score.split()[-1]) < 0


def test_stored_features_give_the_times_of_the_audio(manifest, model_folder, tmp_path):
    store = tmp_path / "store"
    assert run(["features", str(manifest), "--out", str(store), "--config", str(model_folder / "config.yaml")]) == 0
    assert align(manifest, model_folder, tmp_path / "audio.ctm") == 0
    assert align(manifest, model_folder, tmp_path / "store.ctm", "--features", str(store)) == 0
    audio, stored = ((tmp_path / f"{name}.ctm").read_text().splitlines() for name in ("audio", "store"))
    assert [line.split()[:5] for line in audio] == [line.split()[:5] for line in stored]


def test_spans_of_one_recording_are_timed_in_the_recording(model_folder, tmp_path):
    noise = np.random.default_rng(0).normal(0, 0.1, 4 * RATE).astype(np.float32)
    write_audio(tmp_path / "long.wav", noise, RATE)
    spans = [Utterance(f"s{start}", "long.wav", float(start), 2.0, text="ab") for start in (0, 2)]
    write_manifest(tmp_path / "m.jsonl", spans)
    assert align(tmp_path / "m.jsonl", model_folder, tmp_path / "out.ctm") == 0
    first, second = (float(line.split()[2]) for line in (tmp_path / "out.ctm").read_text().splitlines())
    assert 0 <= first < 2 <= second < 4


def test_the_good_ones_are_written_when_others_fail(manifest, model_folder, tmp_path, capsys):
    utterances = load_manifest(manifest)
    (tmp_path / "u1.wav").write_bytes(b"no audio")
    utterances.append(Utterance("foreign", "u2.wav", 0.0, utterances[2].duration, text="ÄÖ"))
    write_manifest(manifest, utterances)
    assert align(manifest, model_folder, tmp_path / "out.ctm") == 1
    printed = capsys.readouterr()
    assert "u1" in printed.err
    assert "foreign" in printed.err
    assert {line.split()[0] for line in (tmp_path / "out.ctm").read_text().splitlines()} == {"u0", "u2", "u3"}
    assert "3 utterances" in printed.out


@pytest.mark.parametrize("missing", ["manifest", "model"])
def test_what_is_missing_is_named_and_nothing_written(manifest, model_folder, tmp_path, missing, capsys):
    given = {"manifest": manifest, "model": model_folder, missing: tmp_path / "nowhere"}
    assert align(given["manifest"], given["model"], tmp_path / "out.ctm") == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith("asr: error: ")
    assert "nowhere" in last
    assert not (tmp_path / "out.ctm").exists()


class TestOneRecording:
    @pytest.fixture
    def said(self, manifest):
        (first, *_) = load_manifest(manifest)
        return str(manifest.parent / "u0.wav"), first

    def test_the_times_are_those_of_the_manifest(self, manifest, said, model_folder, tmp_path, capsys):
        audio, utterance = said
        assert align(manifest, model_folder, tmp_path / "set.ctm") == 0
        capsys.readouterr()
        assert run(["align", audio, utterance.text, "--model", str(model_folder), "--device", "cpu"]) == 0
        expected = [line for line in (tmp_path / "set.ctm").read_text().splitlines() if line.startswith("u0 ")]
        assert [line.split()[:5] for line in capsys.readouterr().out.splitlines()] == [x.split()[:5] for x in expected]

    @pytest.mark.parametrize(("suffix", "begin"), [(".TextGrid", "File type"), (".srt", "1\n00:00:"), (".json", "{")])
    def test_the_suffix_tells_the_format(self, said, model_folder, tmp_path, suffix, begin):
        (tmp_path / "text.txt").write_text("ab\ncd\n")
        command = ["align", said[0], str(tmp_path / "text.txt"), "--model", str(model_folder), "--device", "cpu"]
        assert run([*command, "-o", str(tmp_path / f"out{suffix}")]) == 0
        assert (tmp_path / f"out{suffix}").read_text().startswith(begin)

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            ([], 2, "needs a text, or is a manifest that needs --out"),
            (["ab Öl"], 1, "holds 'Öl', which the units of the model cannot spell"),
            (["ab", "-f", "docx"], 2, "'docx' is not a format; use ctm, textgrid, srt, vtt, json"),
            (["ab", "--channels", "split"], 2, "cannot be split"),
            (["no.txt"], 2, "no.txt: does not exist"),
        ],
    )
    def test_what_is_refused(self, said, model_folder, arguments, code, message, capsys):
        assert run(["align", said[0], *arguments, "--model", str(model_folder), "--device", "cpu"]) == code
        printed = capsys.readouterr()
        assert printed.out == ""
        assert message in printed.err
