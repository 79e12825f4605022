"""Entropy pruning against Stolcke's equations in plain Python."""

import math

import numpy as np
import pytest
from slow_ngrams import as_dictionary, made_up_text, slow_prob

from asr.errors import UsageError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import train_ngrams
from asr.lm.pruning import prune, recompute_backoffs
from asr.lm.tables import select


def slow_prune(model, order, threshold):
    """Stolcke (1998), equations 3 to 8, on {n-gram: [probability, back-off weight]}."""
    probs = {ngram: values[0] for ngram, values in model.items()}

    def context_prob(context):
        steps = range(1 if context[0] == "<s>" else 0, len(context))
        return math.prod(slow_prob(model, context[:i], context[i]) for i in steps)

    kept = set(probs)
    for length in range(order, 1, -1):
        for context in {ngram[:-1] for ngram in probs if len(ngram) == length}:
            followers = [ngram for ngram in probs if ngram[:-1] == context]
            lower = {ngram: slow_prob(model, ngram[1:-1], ngram[-1]) for ngram in followers}
            numerator = 1 - sum(probs[ngram] for ngram in followers)
            denominator = 1 - sum(lower.values())
            for ngram in followers:
                if any(longer[:-1] == ngram for longer in kept):
                    continue
                weight = (numerator + probs[ngram]) / (denominator + lower[ngram])
                change = probs[ngram] * (math.log(lower[ngram] * weight) - math.log(probs[ngram]))
                change += numerator * (math.log(weight) - math.log(model[context][1]))
                if math.expm1(-context_prob(context) * change) < threshold:
                    kept.discard(ngram)
    return kept


@pytest.mark.parametrize("order", [2, 3])
@pytest.mark.parametrize("threshold", [1e-4, 3e-4, 1e-3])
def test_keeps_what_the_equations_keep(order, threshold):
    tables = train_ngrams(made_up_text(80, 30, seed=order), order)
    reference = slow_prune(as_dictionary(tables), order, threshold)
    assert as_dictionary(prune(tables, threshold)).keys() == reference
    assert len(reference) < sum(map(len, tables.orders))


@pytest.mark.parametrize("threshold", [1e-5, 1e-3])
def test_pruned_probabilities_sum_to_one_after_every_context(threshold):
    model = build_model(prune(train_ngrams(made_up_text(150, 40), 4), threshold))
    words = [index for index, word in enumerate(model.words) if word != "<s>"]
    for state in range(0, sum(model.state_counts), 5):
        assert sum(math.exp(model.step(state, word)[0]) for word in words) == pytest.approx(1, abs=1e-5)


def test_kept_ngrams_keep_their_probability():
    tables = train_ngrams(made_up_text(100, 40), 3)
    before, after = as_dictionary(tables), as_dictionary(prune(tables, 1e-4))
    assert all(after[ngram][0] == before[ngram][0] for ngram in after)


def test_perplexity_of_the_training_text_rises_slowly():
    text = made_up_text(200, 60)
    tables = train_ngrams(text, 3)
    sizes, perplexities = [], []
    for threshold in (0, 1e-5, 1e-4, 1e-3):
        pruned = prune(tables, threshold)
        sizes.append(sum(map(len, pruned.orders)))
        perplexities.append(build_model(pruned).perplexity(text))
    assert sizes == sorted(sizes, reverse=True)
    assert perplexities == sorted(perplexities)


def test_the_model_given_is_not_changed():
    tables = train_ngrams(made_up_text(50, 30), 3)
    before = as_dictionary(tables)
    prune(tables, 1e-2)
    assert as_dictionary(tables) == before


def test_backoffs_of_an_unpruned_model_are_found_again():
    tables = train_ngrams(made_up_text(100, 40), 3)
    copy = select(tables, [np.ones(len(table), bool) for table in tables.orders])
    recompute_backoffs(copy)
    for ours, theirs in zip(copy.orders, tables.orders, strict=True):
        np.testing.assert_allclose(ours.backoffs, theirs.backoffs, atol=1e-4)


def test_a_huge_threshold_leaves_the_words():
    model = build_model(prune(train_ngrams(made_up_text(50, 30), 3), 1e9))
    assert model.arc_counts[1:] == [0, 0]
    assert model.score(["w0"]) < 0


@pytest.mark.parametrize("threshold", [-1e-9, math.nan, math.inf])
def test_threshold_out_of_range_is_a_usage_error(threshold):
    with pytest.raises(UsageError, match="threshold"):
        prune(train_ngrams([["a"]], 2), threshold)
