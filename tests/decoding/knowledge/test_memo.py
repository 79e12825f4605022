"""What the language model was asked before: the same answers, whatever was asked in between."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from asr.decoding.knowledge.factors import weighted_word
from asr.decoding.knowledge.memo import PLACES, make_memo, memo_place, question_of
from asr.decoding.knowledge.prefixes import make_tree
from asr.decoding.knowledge.tables import Weights, build_knowledge
from asr.decoding.search.pinned import read_only
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.units import BLANK_SYMBOL, Units

CHARACTERS = Units("characters", [BLANK_SYMBOL, " ", *"abcd"])
LM = build_model(train_ngrams([line.split() for line in ["ab ba cab", "bad cab a", "cad ab ab"] * 3], order=3))
FUSION = read_only(build_knowledge(CHARACTERS, Weights(alpha=0.7, beta=0.3, unknown_penalty=2.0), LM).fusion)


def directly(state: int, word: int) -> tuple[float, int]:
    """The definition: P^alpha e^beta, and e^-penalty for an unknown word."""
    log_prob, after = LM.step(state, word)
    return float(np.exp(0.7 * log_prob + 0.3 - (2.0 if word == 0 else 0.0))), after


QUESTIONS = st.lists(
    st.tuples(st.integers(0, sum(LM.state_counts) - 1), st.integers(0, len(LM.words) - 1)), min_size=1, max_size=60
)


@settings(max_examples=40, deadline=None)  # compiling is slow
@given(QUESTIONS)
def test_answers_are_the_language_models_however_often_it_is_asked(questions):
    tree = make_tree(4)
    for state, word in questions * 2:
        gain, after = weighted_word(FUSION, tree, state, word)
        expected, expected_after = directly(state, word)
        np.testing.assert_allclose(gain, expected, rtol=1e-6)
        assert after == expected_after


def test_a_question_that_has_lost_its_place_is_asked_again():
    """Two questions share a place; each takes it from the other, and both get their own answers."""
    tree = make_tree(4)
    wanted = memo_place(question_of(1, 1))
    tree.memo[wanted] = (question_of(10_000, 3), 123.0, 7)
    gain, after = weighted_word(FUSION, tree, 1, 1)
    np.testing.assert_allclose(gain, directly(1, 1)[0], rtol=1e-6)
    assert tree.memo[wanted]["question"] == question_of(1, 1)
    assert after == directly(1, 1)[1]


def test_an_empty_memo_answers_nothing_and_places_are_used_evenly():
    assert not make_memo()["question"].any()
    assert min(question_of(0, 0), question_of(0, 1)) > 0, "0 is the mark of an empty place"
    places = {int(memo_place(question_of(state, word))) for state in range(64) for word in range(64)}
    assert all(0 <= place < PLACES for place in places)
    assert len(places) > 0.7 * PLACES * (1 - np.exp(-64 * 64 / PLACES)), "about what chance would fill"
