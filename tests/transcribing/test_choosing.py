"""Which decoder a user gets: the model's own settings, overridden option by option; nothing is silently ignored."""

import pytest
from tests_model import sounds

from asr.__main__ import run
from asr.decoding.beam import BeamDecoder
from asr.decoding.paths.greedy import GreedyDecoder
from asr.errors import ConfigError, DecodingError, UsageError
from asr.model.directory import load_trained
from asr.transcribing.choosing import DecoderChoice, load_recognizer
from asr.transcribing.export import export_model

TEXT = "ab cd\nabba\nab abba dad\ncab dad ab\n"


@pytest.fixture
def lm(tmp_path):
    """A word 2-gram model."""
    (tmp_path / "text.txt").write_text(TEXT)
    assert run(["lm", "train", str(tmp_path / "text.txt"), "--order", "2", "--out", str(tmp_path / "lm")]) == 0
    return tmp_path / "lm"


@pytest.fixture
def lexicon(tmp_path):
    """The only words there are."""
    (tmp_path / "words.txt").write_text("ab\ncd\nabba\ndad\ncab\n")
    return tmp_path / "words.txt"


def test_greedy_unless_told_otherwise(model_folder):
    assert isinstance(load_recognizer(model_folder).decoder, GreedyDecoder)
    assert isinstance(load_recognizer(model_folder, DecoderChoice(beam=8)).decoder, BeamDecoder)
    assert isinstance(load_recognizer(model_folder, DecoderChoice(beam=0)).decoder, GreedyDecoder)


USELESS = {"lm": "x", "lexicon": "x", "hotwords": "x", "alpha": 0.0, "beta": 1.0, "nbest": 3}


@pytest.mark.parametrize("option", USELESS)
def test_what_greedy_decoding_cannot_use_is_refused(model_folder, option):
    with pytest.raises(UsageError, match=rf"--{option}: has no effect on greedy decoding; add --beam-size 32"):
        load_recognizer(model_folder, DecoderChoice(**{option: USELESS[option]}))


def test_one_reading_is_what_greedy_decoding_gives(model_folder):
    assert isinstance(load_recognizer(model_folder, DecoderChoice(nbest=1)).decoder, GreedyDecoder)


def test_weights_of_what_is_not_there_are_refused(model_folder, lm, lexicon):
    with pytest.raises(UsageError, match="--alpha: has no effect without a language model"):
        load_recognizer(model_folder, DecoderChoice(beam=4, alpha=0.5, lexicon=lexicon))
    with pytest.raises(UsageError, match="--beta: has no effect without a language model or lexicon"):
        load_recognizer(model_folder, DecoderChoice(beam=4, beta=0.5))
    decoder = load_recognizer(model_folder, DecoderChoice(beam=4, lm=lm, alpha=0.25, beta=0.5)).decoder
    assert (decoder.weights.alpha, decoder.weights.beta) == (0.25, 0.5)


def test_a_lexicon_confines_the_words(model_folder, lm, lexicon):
    wave = sounds(1, seed=2)[0]
    free = load_recognizer(model_folder, DecoderChoice(beam=16)).transcribe(wave).text
    choice = DecoderChoice(beam=16, lm=lm, lexicon=lexicon)
    confined = load_recognizer(model_folder, choice).transcribe(wave).text
    known = set(lexicon.read_text().split())
    assert not set(free.split()) <= known
    assert set(confined.split()) <= known


def test_an_exported_model_decodes_as_its_parts_do(model_folder, lm, lexicon, tmp_path):
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "tuned.yaml").write_text("decoding: {decoder: beam, alpha: 0.7, beta: 0.3}\n")
    out = export_model(model_folder, tmp_path / "out", lm=lm, lexicon=lexicon, tuned=tmp_path / "tuned", beam=12)
    wave = sounds(1, seed=2)[0]
    choice = DecoderChoice(beam=12, lm=lm, lexicon=lexicon, alpha=0.7, beta=0.3)
    assert load_recognizer(out).transcribe(wave) == load_recognizer(model_folder, choice).transcribe(wave)
    assert load_trained(out).config.decoding.alpha == 0.7
    assert load_trained(model_folder).config.decoding.decoder == "greedy"  # the original is left alone


def test_exporting_over_something_else_is_refused(model_folder, lm, tmp_path):
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is not a model folder"):
        export_model(model_folder, tmp_path / "precious", lm=lm)
    assert (tmp_path / "precious" / "thesis.tex").exists()


def test_exporting_what_does_not_fit_leaves_nothing(model_folder, tmp_path):
    (tmp_path / "text.txt").write_text("GROSS SCHREIBUNG\nGROSS\nSCHREIBUNG GROSS\n")
    run(["lm", "train", str(tmp_path / "text.txt"), "--order", "2", "--out", str(tmp_path / "upper")])
    with pytest.raises(DecodingError):
        export_model(model_folder, tmp_path / "out", lm=tmp_path / "upper")
    assert not (tmp_path / "out").exists()
    with pytest.raises(ConfigError, match="is not what 'asr tune' writes"):
        export_model(model_folder, tmp_path / "out", tuned=tmp_path)


def test_hotwords_that_fire_and_those_that_do_not_are_reported(model_folder, recordings, tmp_path, capsys):
    plain = load_recognizer(model_folder, DecoderChoice(beam=16)).transcribe(recordings / "a.wav").text
    (tmp_path / "hot.txt").write_text(f"{plain.split()[0]}\ndcdcdcdcdcdcdcdcdcdc\t0.1\n")
    arguments = ["transcribe", str(recordings / "a.wav"), "--model", str(model_folder), "--beam-size", "16"]
    assert run([*arguments, "--hotwords", str(tmp_path / "hot.txt")]) == 0
    log = capsys.readouterr().err
    assert f"{plain.split()[0]} (" in log
    assert "did not occur: 1 of 2" in log
