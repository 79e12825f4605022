"""A model folder of phones at work: never prints phones, takes hotwords and word lists, chooses pronunciations."""

import json

import pytest
from tests_model import RATE, sounds
from tests_phones import ENTRIES, write_phone_model

from asr.__main__ import run
from asr.audio.reading import write_audio
from asr.corpus.manifest import write_manifest
from asr.corpus.utterance import Utterance
from asr.transcribing.choosing import DecoderChoice, load_recognizer
from asr.transcribing.recognizer import Recognizer


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_phone_model(tmp_path_factory.mktemp("phones") / "model")


def test_the_folder_carries_its_lexicon(folder):
    assert (folder / "units.txt").read_text().startswith("#units phones en-us\n<blank>\n")
    assert "at æ t\nat t\n" in (folder / "lexicon.txt").read_text()


@pytest.mark.parametrize("beam", [None, 0, 8])
def test_words_come_out_and_never_phones(folder, beam):
    recognizer = load_recognizer(folder, DecoderChoice(beam=beam), device="cpu")
    texts = [transcript.text for transcript in recognizer.transcribe_batch(sounds())]
    assert set(" ".join(texts).split()) <= set(ENTRIES)
    assert any(texts)


def test_loading_by_hand_gives_words_too(folder):
    recognizer = Recognizer.load(folder, device="cpu")
    assert set(" ".join(t.text for t in recognizer.transcribe_batch(sounds())).split()) <= set(ENTRIES)


def test_hotwords_and_word_lists_need_no_pronunciations(folder, tmp_path, caplog):
    (tmp_path / "hot.txt").write_text("tact\n")
    (tmp_path / "words.txt").write_text("cat\ntack\nattack\n")
    with caplog.at_level("INFO"):
        choice = DecoderChoice(hotwords=tmp_path / "hot.txt", lexicon=tmp_path / "words.txt")
        recognizer = load_recognizer(folder, choice, device="cpu")
    assert "pronounced by CMUdict: tact" in caplog.text
    assert "never recognised: attack" not in caplog.text
    assert recognizer.phrases is not None


def test_choosing_the_pronunciations_of_a_training_set(folder, tmp_path):
    wave = sounds(1, seed=11)[0]
    write_audio(tmp_path / "a.wav", wave, RATE)
    utterance = Utterance("a", "a.wav", 0.0, len(wave) / RATE, text="at cat", extra={"room": 3})
    write_manifest(tmp_path / "m.jsonl", [utterance])
    options = ["--model", str(folder), "--out", str(tmp_path / "m.ctm"), "--phones", str(tmp_path / "chosen.jsonl")]
    assert run(["align", str(tmp_path / "m.jsonl"), *options]) == 0
    fields = json.loads((tmp_path / "chosen.jsonl").read_text())
    assert fields["phones"] in ("æ t k æ t", "t k æ t")
    assert fields["text"] == "at cat" and fields["room"] == 3
    assert [line.split()[4] for line in (tmp_path / "m.ctm").read_text().splitlines()] == ["at", "cat"]


def test_pronunciations_of_a_model_of_characters(model_folder, tmp_path, capsys):
    write_manifest(tmp_path / "m.jsonl", [Utterance("a", "a.wav", 0.0, 1.0, text="ab")])
    options = ["--model", str(model_folder), "--out", str(tmp_path / "m.ctm"), "--phones", str(tmp_path / "c.jsonl")]
    assert run(["align", str(tmp_path / "m.jsonl"), *options]) == 2
    assert "--phones: is for models of phones" in capsys.readouterr().err
