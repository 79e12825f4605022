"""Forced alignment of a manifest: the recogniser's own words come back at the recogniser's own times."""

from tests_model import RATE, sounds

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance


def test_aligning_what_was_recognised(recognizer, model_folder, tmp_path, capsys):
    wave = sounds(1, seed=11)[0]
    write_audio(tmp_path / "a.wav", wave, RATE)
    transcript = recognizer.transcribe(tmp_path / "a.wav")
    duration = len(wave) / RATE
    utterances = [
        Utterance("good", "a.wav", 0.0, duration, text=transcript.text),
        Utterance("unspellable", "a.wav", 0.0, duration, text="XYZ"),
        Utterance("too-long", "a.wav", 0.0, duration, text="abcd " * 500),
    ]
    write_manifest(tmp_path / "m.jsonl", utterances)
    out = tmp_path / "out.ctm"
    assert run(["align", str(tmp_path / "m.jsonl"), "--model", str(model_folder), "--out", str(out)]) == 1
    log = capsys.readouterr().err
    assert "unspellable" in log
    assert "too-long" in log
    lines = [line.split() for line in out.read_text().splitlines()]
    words = transcript.segments[0].words
    assert [line[4] for line in lines] == [word.text for word in words]
    for line, word in zip(lines, words, strict=True):
        assert abs(float(line[2]) - word.start) < 0.05
