"""`asr decode` from audio or from a feature store: the same text, and a store that does not fit is refused."""

import pytest

from asr.__main__ import run
from asr.corpus.manifest import load_manifest


def decode(manifest, model, out, *more):
    return run(["decode", str(manifest), "--model", str(model), "--out", str(out), "--device", "cpu", *more])


def test_the_summary_line_and_the_files(manifest, model_folder, tmp_path, capsys):
    assert decode(manifest, model_folder, tmp_path / "out") == 0
    out, count, seconds, factor = capsys.readouterr().out.strip().split("\t")
    assert (out, count) == (str(tmp_path / "out"), "4 utterances")
    audio = sum(utterance.duration for utterance in load_manifest(manifest))
    assert seconds == f"{audio:.1f} s of audio"
    assert factor.startswith("real-time factor ")
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == {"ref.trn", "hyp.trn", "ref.stm", "hyp.ctm", "log_probs.npz"}


def test_a_store_is_read_instead_of_audio(manifest, model_folder, tmp_path):
    store = tmp_path / "store"
    run(["features", str(manifest), "--out", str(store), "--config", str(model_folder / "config.yaml")])
    assert decode(manifest, model_folder, tmp_path / "audio") == 0
    for number in range(4):
        (tmp_path / f"u{number}.wav").unlink()
    assert decode(manifest, model_folder, tmp_path / "store-only", "--features", str(store)) == 0
    audio, stored = ((tmp_path / name / "hyp.trn").read_text() for name in ("audio", "store-only"))
    assert audio == stored


@pytest.mark.parametrize("setting", ["features.mel_bins=24", "features.preemphasis=0.5"])
def test_a_store_of_other_features_is_refused(manifest, model_folder, tmp_path, setting, capsys):
    """Other numbers of the same shape would be decoded into nonsense in silence."""
    store = tmp_path / "store"
    config = ["--config", str(model_folder / "config.yaml"), "--set", setting]
    assert run(["features", str(manifest), "--out", str(store), *config]) == 0
    assert decode(manifest, model_folder, tmp_path / "out", "--features", str(store)) == 1
    last = capsys.readouterr().err.strip().splitlines()[-1]
    assert last.startswith(f"asr: error: {store}: was computed with other feature settings")
    assert not (tmp_path / "out").exists()


def test_a_store_without_an_utterance_is_named(manifest, model_folder, tmp_path, capsys):
    lines = manifest.read_text().splitlines()
    (tmp_path / "part.jsonl").write_text("\n".join(lines[:2]) + "\n")
    config = ["--config", str(model_folder / "config.yaml")]
    run(["features", str(tmp_path / "part.jsonl"), "--out", str(tmp_path / "store"), *config])
    assert decode(manifest, model_folder, tmp_path / "out", "--features", str(tmp_path / "store")) == 1
    assert "is not in the feature store; run 'asr features' on this manifest" in capsys.readouterr().err
