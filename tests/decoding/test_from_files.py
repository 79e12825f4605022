"""A decoder from files equals one from objects, in this process or another."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.from_files import DecoderRecipe, shared
from asr.decoding.knowledge.phrases import Phrases
from asr.decoding.knowledge.tables import Weights
from asr.decoding.results.confidence import ConfidenceModel
from asr.errors import AsrError, CorpusError, DecodingError, UnitsError
from asr.lm.automaton import build_model
from asr.lm.files import load_lm, save_lm
from asr.lm.kneser_ney import train_ngrams
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK_SYMBOL, Units

UNITS = Units("characters", [BLANK_SYMBOL, " ", *"abc"])
SENTENCES = [["ab", "ca"], ["ca", "ab", "b"]] * 3
WEIGHTS, OPTIONS = Weights(0.7, 0.3, 4.0), BeamOptions(beam=8, nbest=3)
CONFIDENCE = ConfidenceModel(0.1, 0.2, 0.3, 0.4, 9)


def random_log_probs(seed: int) -> np.ndarray:
    probs = np.random.default_rng(seed).dirichlet(np.full(len(UNITS), 0.3), 30) + 1e-6
    return np.log(probs / probs.sum(axis=1, keepdims=True)).astype(np.float32)


@pytest.fixture
def files(tmp_path) -> Path:
    UNITS.save(tmp_path / "units.txt")
    save_lm(train_ngrams(SENTENCES, 2), tmp_path / "lm")
    save_lm(train_ngrams(SENTENCES, 2), tmp_path / "lm.arpa")
    Lexicon.from_words(["ab", "ca", "b", "cc"]).save(tmp_path / "words.txt")
    CONFIDENCE.save(tmp_path / "confidence.json")
    return tmp_path


@pytest.fixture
def recipe(files) -> DecoderRecipe:
    return DecoderRecipe(
        files / "units.txt", 0.04, OPTIONS, WEIGHTS, lm=files / "lm", lexicon=files / "words.txt",
        phrases={"ab ca": 2.0}, confidence=files / "confidence.json",
    )  # fmt: skip


def test_files_give_the_decoder_of_their_contents(recipe):
    decoder = BeamDecoder(
        UNITS, 0.04, options=OPTIONS, weights=WEIGHTS, lm=build_model(train_ngrams(SENTENCES, 2)),
        lexicon=Lexicon.from_words(["ab", "ca", "b", "cc"]), phrases=Phrases({"ab ca": 2.0}, UNITS),
        confidence=CONFIDENCE,
    )  # fmt: skip
    for seed in range(5):
        assert recipe().decode(random_log_probs(seed)) == decoder.decode(random_log_probs(seed))


def test_a_recipe_travels_to_other_processes(recipe):
    log_probs = random_log_probs(0)
    assert pickle.loads(pickle.dumps(recipe))().decode(log_probs) == recipe().decode(log_probs)
    assert len(pickle.dumps(recipe)) < 2000  # file names, not the models


def test_every_part_may_be_missing(files):
    bare = DecoderRecipe(files / "units.txt", 0.04)()
    assert bare.lm is None
    assert bare.confidence == ConfidenceModel()
    assert bare.decode(random_log_probs(1))[0].lm_score == 0.0


@pytest.mark.parametrize(
    ("part", "kind"),
    [("units", UnitsError), ("lm", DecodingError), ("lexicon", CorpusError), ("confidence", DecodingError)],
)
def test_a_missing_file_is_named(recipe, files, part, kind):
    with pytest.raises(kind, match="nothing"):
        replace(recipe, **{part: files / "nothing"})()


def test_a_broken_model_is_named_before_it_is_shared(recipe, files):
    (files / "lm.arpa").write_text("\\data\\\nngram 1=5\n")
    with pytest.raises(AsrError, match=r"lm\.arpa"), shared(replace(recipe, lm=files / "lm.arpa")):
        pytest.fail("nothing to share")


def test_an_arpa_file_and_its_shared_form_decode_alike(recipe, files):
    with shared(replace(recipe, lm=files / "lm.arpa")) as sent:
        for seed in range(3):
            log_probs = random_log_probs(seed)
            assert sent().decode(log_probs) == replace(recipe, lm=files / "lm.arpa")().decode(log_probs)


def test_the_shared_form_goes_away_even_after_a_failure(recipe, files):
    with pytest.raises(RuntimeError), shared(replace(recipe, lm=files / "lm.arpa")) as sent:
        folder = Path(sent.lm)
        assert load_lm(folder).order == 2
        raise RuntimeError
    assert not folder.exists()
    assert (files / "lm.arpa").exists()
