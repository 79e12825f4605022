"""From tables to states and arcs."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from slow_ngrams import as_dictionary, made_up_text, slow_sentence

from asr.lm.automaton import build_model, tables_of
from asr.lm.kneser_ney import train_ngrams
from asr.lm.ngram import bit_of_word
from asr.lm.tables import select


@pytest.fixture(scope="module")
def model():
    return build_model(train_ngrams(made_up_text(200, 80), 4))


def test_every_arc_is_found_under_its_key(model):
    arrays = model.arrays
    keys = arrays.slots["key"]
    filled = keys[keys >= 0]
    assert len(np.unique(filled)) == len(filled) == sum(model.arc_counts[1:])
    assert len(filled) < len(keys)  # a search for an absent key ends at an empty slot


def test_a_context_knows_the_words_that_follow_it_and_few_others(model):
    arrays = model.arrays
    keys = arrays.slots["key"][arrays.slots["key"] >= 0]
    wanted = np.zeros(len(arrays.contexts), np.uint64)
    for state, word in zip(*np.divmod(keys, arrays.vocabulary_size), strict=True):
        wanted[state] |= np.uint64(bit_of_word(int(word)))
    assert (arrays.contexts["followers"] == wanted).all()
    told_apart = {int(bit_of_word(word)) for word in range(arrays.vocabulary_size)}
    assert len(told_apart) > min(arrays.vocabulary_size, 64) / 2  # neighbouring ids have different bits


def test_backing_off_shortens_the_context_until_it_is_empty(model):
    depths = np.repeat(np.arange(model.order), model.state_counts)
    backoff_states = model.arrays.contexts["backoff_state"]
    assert (depths[backoff_states[1:]] < depths[1:]).all()
    assert backoff_states[0] == 0


def test_an_arc_lengthens_the_context_by_one_word_at_most(model):
    depths = np.repeat(np.arange(model.order), model.state_counts)
    slots = model.arrays.slots[model.arrays.slots["key"] >= 0]
    orders = depths[slots["key"] // model.arrays.vocabulary_size] + 1
    assert (depths[slots["next_state"]] <= np.minimum(orders, model.order - 1)).all()
    assert (depths[model.arrays.unigrams["next_state"]] <= 1).all()


def test_dropping_ngrams_keeps_the_rows_of_the_others():
    tables = train_ngrams(made_up_text(60, 30), 3)
    keep = [np.ones(len(table), bool) for table in tables.orders]
    keep[2][::2] = False
    kept, whole = as_dictionary(select(tables, keep)), as_dictionary(tables)
    assert len(kept) == sum(flags.sum() for flags in keep)
    assert all(whole[ngram] == values for ngram, values in kept.items())


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(st.sampled_from("abcd"), max_size=6), min_size=1, max_size=12),
    st.integers(1, 5),
    st.lists(st.sampled_from("abcdz"), max_size=8),
    st.randoms(use_true_random=False),
)
def test_any_small_model_scores_as_its_dictionary(text, order, sentence, draw):
    """Also with n-grams missing at random, as long as the prefixes of the others are there."""
    if not any(text):
        return
    tables = train_ngrams(text, order)
    keep = [np.ones(len(table), bool) for table in tables.orders]
    for longer in range(tables.order, 1, -1):
        needed = np.zeros(len(keep[longer - 1]), bool)
        if longer < tables.order:
            needed[tables.orders[longer].prefixes[keep[longer]]] = True
        keep[longer - 1] = needed | np.array([draw.random() < 0.7 for _ in needed], bool)
    tables = select(tables, keep)
    model, reference = build_model(tables), as_dictionary(tables)
    assert model.score(sentence) == pytest.approx(slow_sentence(reference, tables.order, sentence), abs=1e-4)
    for ours, theirs in zip(tables_of(model).orders, tables.orders, strict=True):
        assert np.array_equal(ours.prefixes, theirs.prefixes)
        np.testing.assert_allclose(ours.backoffs, theirs.backoffs, atol=1e-5)
