"""`asr validate`: one line an offence, a count, and an exit code that a script can trust."""

import re

import numpy as np
import pytest
from tests_model import RATE

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import load_manifest, write_manifest
from asr.corpus.utterance import Utterance
from asr.units import BLANK_SYMBOL, Units


@pytest.fixture
def units(tmp_path):
    Units("characters", [BLANK_SYMBOL, " ", *"abcd"]).save(tmp_path / "units.txt")
    return tmp_path / "units.txt"


def change(manifest, index, **fields):
    from dataclasses import replace

    utterances = load_manifest(manifest)
    utterances[index] = replace(utterances[index], **fields)
    write_manifest(manifest, utterances)


def lines(capsys):
    return capsys.readouterr().out.splitlines()


def test_nothing_wrong(manifest, units, capsys):
    assert run(["validate", str(manifest), "--units", str(units), "--frame-seconds", "0.02"]) == 0
    assert lines(capsys) == ["0 errors, 0 warnings"]


def test_warnings_alone_are_a_success(manifest, capsys):
    change(manifest, 0, text="")
    assert run(["validate", str(manifest)]) == 0
    first, last = lines(capsys)
    assert first.startswith("warning: u0: has no text")
    assert last == "0 errors, 1 warnings"


def test_a_clipped_recording_is_counted_and_named_once(manifest, capsys, caplog):
    loud = np.clip(3 * np.sin(np.arange(RATE) / 5), -1, 1).astype(np.float32)
    write_audio(manifest.parent / "u1.wav", loud, RATE)
    change(manifest, 1, duration=1.0, text="b")
    assert run(["validate", str(manifest)]) == 0
    first, last = lines(capsys)
    assert re.match(r"warning: u1: [78]\d\.\d\d % of the samples in .*u1\.wav are clipped; record it less loud$", first)
    assert last == "0 errors, 1 warnings"
    assert "clipped" not in caplog.text


def test_errors_are_not(manifest, units, capsys):
    change(manifest, 1, text="xyz")
    assert run(["validate", str(manifest), "--units", str(units)]) == 1
    first, last = lines(capsys)
    assert first == "error: u1: 'x' 'y' 'z' outside the units; normalise the text or build the units anew"
    assert last == "1 errors, 0 warnings"


def test_the_frame_period_of_the_model_decides_what_fits(manifest, units, capsys):
    change(manifest, 2, text="abcd" * 9)  # 36 labels
    duration = load_manifest(manifest)[2].duration
    fits, does_not = duration / 40, duration / 30
    assert run(["validate", str(manifest), "--units", str(units), "--frame-seconds", f"{fits:.4f}"]) == 0
    assert run(["validate", str(manifest), "--units", str(units), "--frame-seconds", f"{does_not:.4f}"]) == 1
    assert "the text needs 36" in capsys.readouterr().out


def test_a_mended_manifest_is_a_success_and_clean(manifest, units, tmp_path, capsys):
    change(manifest, 1, text="xyz")
    change(manifest, 3, duration=99.0)
    command = ["validate", str(manifest), "--units", str(units), "--fix", str(tmp_path / "fixed.jsonl")]
    assert run(command) == 0
    assert lines(capsys)[-1] == f"3 kept, 1 trimmed, 1 dropped; written to {tmp_path / 'fixed.jsonl'}"
    assert run(["validate", str(tmp_path / "fixed.jsonl"), "--units", str(units)]) == 0
    assert [each.id for each in load_manifest(tmp_path / "fixed.jsonl")] == ["u0", "u2", "u3"]


def test_what_cannot_be_mended_leaves_no_file(manifest, tmp_path, capsys):
    write_manifest(manifest, [Utterance("u", "none.wav", 0.0, 1.0, text="a")])
    assert run(["validate", str(manifest), "--fix", str(tmp_path / "fixed.jsonl")]) == 1
    assert "has no utterance without an offence; correct it by hand" in capsys.readouterr().err
    assert not (tmp_path / "fixed.jsonl").exists()


@pytest.mark.parametrize(("options", "code", "word"), [([], 1, "error"), (["--same-speakers"], 0, "warning")])
def test_speakers_in_both_sets(manifest, tmp_path, options, code, word, capsys):
    change(manifest, 0, speaker="anna")
    write_manifest(tmp_path / "train.jsonl", [Utterance("other", "u1.wav", 0.0, 0.1, text="zz", speaker="anna")])
    assert run(["validate", str(manifest), "--against", str(tmp_path / "train.jsonl"), *options]) == code
    assert lines(capsys)[0].startswith(f"{word}: anna: this speaker's 1 utterances are here")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["{folder}/none.jsonl"], 1, "none.jsonl: does not exist; make it with 'asr prepare'"),
        (["{manifest}", "--units", "{folder}/none.txt"], 1, "none.txt"),
        (["{manifest}", "--against", "{folder}/none.jsonl"], 1, "none.jsonl"),
        (["{manifest}", "--frame-seconds", "0"], 2, "frame-seconds"),
        ([], 2, "Missing argument"),
    ],
)
def test_what_is_missing_is_named(manifest, tmp_path, arguments, code, message, capsys):
    given = [argument.format(folder=tmp_path, manifest=manifest) for argument in arguments]
    assert run(["validate", *given]) == code
    error = capsys.readouterr().err
    assert message in error
    assert "Traceback" not in error


def test_a_malformed_line_is_named_by_its_number(manifest, capsys):
    manifest.write_text(manifest.read_text() + "{half a li\n")
    assert run(["validate", str(manifest)]) == 1
    assert "set.jsonl:5: is not JSON" in capsys.readouterr().err
