"""From nothing to a scored transcript through the command line alone, on a few synthetic utterances."""

import re

import pytest

from asr.__main__ import run

CONFIG = """
name: path
licence: synthetic
features: {mel_bins: 20}
augmentation: {first_epoch: 1, speeds: [0.9, 1.0], frequency_mask_bins: 4}
units: {kind: words}
model: {front_end: stacking, input_size: 24, layers: 1, hidden: 24, time_reduction: 4}
batching: {utterances: 4}
training: {epochs: 2, average: 2}
"""


def asr(*arguments, code=0):
    assert run([str(argument) for argument in arguments]) == code


def test_prepare_train_decode_score_transcribe(tmp_path, capsys):
    pytest.importorskip("espeakng_loader", reason="the synthetic digits need the extra 'digits'")
    data, exp, config = tmp_path / "data", tmp_path / "exp", tmp_path / "path.yaml"
    config.write_text(CONFIG)
    asr("prepare", "digits", "--out", data, "--sizes", 16, 4, 5)
    asr("validate", data / "train.jsonl")
    for name, speeds in (("train", "config"), ("dev", "1.0"), ("test", "1.0")):
        out = data / "features" / name
        asr("features", data / f"{name}.jsonl", "--out", out, "--config", config, "--speeds", speeds, "--nj", 1)
    asr("units", data / "train.jsonl", "--out", data / "units.txt", "--config", config)
    asr("train", "--data", data, "--exp", exp, "--config", config, "--device", "cpu", "--threads", 1)
    asr("train", "--data", data, "--exp", exp, "--config", config, "--device", "cpu", "--threads", 1, "--resume")
    asr("average", *sorted((exp / "checkpoints").glob("epoch-*")), "--model", exp / "model", "--out", exp / "average")
    out = exp / "decode_test_greedy"
    asr("decode", data / "test.jsonl", "--model", exp / "model", "--out", out, "--features", data / "features" / "test")
    capsys.readouterr()
    asr("score", "-r", out / "ref.trn", "-h", out / "hyp.trn")
    words = sum(len(line.split()) - 1 for line in (out / "ref.trn").read_text().splitlines())
    assert re.search(rf"^%WER \d+\.\d\d \[ \d+ / {words}, \d+ ins, \d+ del, \d+ sub \]$", capsys.readouterr().out, re.M)
    asr("transcribe", data / "audio", "--model", exp / "model", "-o", tmp_path / "transcripts", "-f", "json")
    assert len(list((tmp_path / "transcripts").glob("*.json"))) == 25
    card = (exp / "model" / "card.md").read_text()
    assert "(synthetic speech)" in card
    asr("train", "--data", data, "--exp", exp, "--config", config, code=1)  # never over an old experiment
