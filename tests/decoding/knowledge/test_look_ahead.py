"""Look-ahead: the factor of a state is that of the best word that can come of it, and final scores do not change."""

import math

import numpy as np
import pytest

from asr.decoding.beam import BeamDecoder, BeamOptions
from asr.decoding.knowledge.look_ahead import LookAhead
from asr.decoding.knowledge.spelling_graph import START, spell
from asr.decoding.knowledge.tables import Weights, build_knowledge
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.pronunciation.lexicon import Lexicon
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
PIECES = Units("bpe", [BLANK_SYMBOL, "<unk>", "▁", "▁a", "b", "▁ab", "c", "a", "d"], b"unused")
TEXT = ["ab ba cab dab", "bad cab a", "cad ab ab", "dad cab bab a", "a bad dad"]
LM = build_model(train_ngrams([line.split() for line in TEXT * 3], order=3))
WEIGHTS = Weights(alpha=0.6, beta=0.4, unknown_penalty=3.0)
WORDS = [word for word in LM.words if not word.startswith("<")]


def unigram(word: str) -> float:
    return LM.step(LM.empty_state, LM.ids.get(word, 0))[0]


def model_of(*knowledge):
    return build_knowledge(*knowledge).fusion.word_model


def state_of(model, symbols: list[str], units: Units) -> int:
    state, graph = START, model.graph
    for symbol in symbols:
        state = spell(graph.states, graph.units, graph.targets, state, units.ids[symbol])
    return state


@pytest.mark.parametrize("beginning", ["a", "b", "ba", "bad", "ca", "da", "dad"])
def test_a_state_has_the_factor_of_its_best_word(beginning):
    model = model_of(CHARACTERS, WEIGHTS, LM)
    best = max(unigram(word) for word in WORDS if word.startswith(beginning))
    expected = math.exp(WEIGHTS.beta + WEIGHTS.alpha * best)
    assert model.graph.states["ahead"][state_of(model, list(beginning), CHARACTERS)] == pytest.approx(expected)


def test_every_cut_into_pieces_has_the_same():
    model = model_of(PIECES, WEIGHTS, LM)
    cuts = [["▁ab"], ["▁a", "b"], ["▁", "a", "b"]]
    assert len({model.graph.states["ahead"][state_of(model, cut, PIECES)] for cut in cuts}) == 1


def test_before_a_word_nothing_is_known():
    for units in (CHARACTERS, PIECES):
        model = model_of(units, WEIGHTS, LM)
        assert model.graph.states["ahead"][START] == 1.0
        best = max(map(unigram, WORDS))
        assert model.first_factor == pytest.approx(math.exp(WEIGHTS.beta + WEIGHTS.alpha * best))
    assert model.graph.states["ahead"][model.graph.marker_state] == 1.0


def test_words_that_the_model_does_not_know_are_penalised_in_advance():
    model = model_of(CHARACTERS, WEIGHTS, LM, Lexicon.from_words(["cab", "dddd"]))
    expected = math.exp(WEIGHTS.beta + WEIGHTS.alpha * unigram("<unk>") - WEIGHTS.unknown_penalty)
    assert model.graph.states["ahead"][state_of(model, list("ddd"), CHARACTERS)] == pytest.approx(expected)


def test_without_a_language_model_every_word_has_its_bonus():
    model = model_of(CHARACTERS, WEIGHTS, None, Lexicon.from_words(["cab", "dad"]))
    assert model.graph.states["ahead"][state_of(model, ["c"], CHARACTERS)] == pytest.approx(math.exp(WEIGHTS.beta))


def test_other_weights_weigh_it_anew():
    knowledge = build_knowledge(CHARACTERS, WEIGHTS, LM)
    before = knowledge.fusion.word_model.graph.states.copy()
    model = knowledge.weighed(Weights(alpha=0.0, beta=math.log(2.0), unknown_penalty=1.0)).fusion.word_model
    np.testing.assert_allclose(np.delete(model.graph.states["ahead"][:-1], START), 2.0)
    assert model.unknown_factor == pytest.approx(2.0)
    assert np.array_equal(knowledge.fusion.word_model.graph.states, before), "searches with the old weights go on"


@pytest.mark.parametrize("seed", range(4))
def test_a_narrow_beam_finds_what_a_wide_one_does_and_scores_stay(seed, monkeypatch):
    logits = np.random.default_rng(seed).normal(0.0, 1.0, (30, len(CHARACTERS)))
    log_probs = (logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))).astype(np.float32)

    def decoder(beam: int) -> BeamDecoder:
        options = BeamOptions(beam, token_threshold=-20.0, beam_threshold=60.0, words=False)
        return BeamDecoder(CHARACTERS, 0.1, options=options, weights=Weights(3.0, 0.0, 30.0), lm=LM)

    (wide,) = decoder(3000).decode(log_probs)
    (narrow,) = decoder(24).decode(log_probs)
    with monkeypatch.context() as patch:
        patch.setattr(LookAhead, "weighed", lambda self, graph, *_: (graph, 1.0, 1.0))
        (wide_without,) = decoder(3000).decode(log_probs)
        (without,) = decoder(24).decode(log_probs)
    assert wide.text == wide_without.text
    assert wide.score == pytest.approx(wide_without.score, abs=1e-2)
    assert narrow.score >= without.score - 1e-3
