"""Kneser-Ney estimation against KenLM's lmplz (recorded) and against the equations in plain Python."""

import logging
import math
import os
from pathlib import Path

import numpy as np
import pytest
from slow_ngrams import as_dictionary, made_up_text, slow_kneser_ney

from asr.errors import DecodingError, UsageError
from asr.lm.automaton import build_model
from asr.lm.kneser_ney import FALLBACK_DISCOUNTS, discounts_of, train_ngrams
from asr.lm.ngram import NGramModel
from asr.lm.perplexity import score_sentences, total
from asr.lm.text import read_sentences

TEXT = made_up_text(1000, 1000)

# KenLM 0.3.0, `lmplz -o 3 --prune ...` on TEXT: log10 probability, log10 back-off.
LMPLZ = {
    (0, 0, 0): {
        "<unk>": (-3.1008728, 0),
        "w5": (-1.5371283, -0.48669064),
        "w5 </s>": (-0.91170025, 0),
        "<s> w0": (-0.33719975, -0.8629577),
        "w0 w0": (-0.8886796, -0.9689245),
        "<s> w5": (-1.5515876, -0.42825806),
        "<s> w0 w1": (-0.78920174, 0),
        "w0 w1 w2": (-0.87446237, 0),
        "w0 w0 w0": (-0.4260227, 0),
    },
    (0, 0, 1): {
        "w5": (-1.5371283, -0.48669064),
        "<s> w0": (-0.33719975, -0.81829315),
        "w0 w0": (-0.8886796, -0.9281467),
        "<s> w5": (-1.5515876, -0.37467623),
        "<s> w0 w1": (-0.78612757, 0),
        "w0 w1 w2": (-0.870282, 0),
        "w0 w0 w0": (-0.4244429, 0),
    },
}
LMPLZ_COUNTS = {(0, 0, 0): [272, 1256, 2644], (0, 0, 1): [272, 1256, 592]}
# `query` on those models: total log10 probability of each sentence.
QUERY = {(0, 0, 0): [-8.919631, -4.98638], (0, 0, 1): [-8.869707, -4.9327984]}
SENTENCES = ["w0 w1 w2 zebra w5", "w5 w10"]


@pytest.mark.parametrize("cutoffs", LMPLZ)
def test_equals_lmplz_to_six_digits(cutoffs):
    tables = train_ngrams(TEXT, 3, cutoffs)
    assert [len(table) for table in tables.orders] == LMPLZ_COUNTS[cutoffs]
    model = as_dictionary(tables)
    for words, (log_prob, backoff) in LMPLZ[cutoffs].items():
        ours = [math.log10(value) for value in model[tuple(words.split())]]
        assert ours == pytest.approx([log_prob, backoff], abs=1e-6), words
    automaton = build_model(tables)
    for sentence, log10_prob in zip(SENTENCES, QUERY[cutoffs], strict=True):
        assert automaton.score(sentence.split()) / math.log(10) == pytest.approx(log10_prob, abs=2e-6)


@pytest.mark.parametrize("order", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("cutoff", [0, 1])
def test_equals_the_equations_at_every_order(order, cutoff):
    cutoffs = [0] + [cutoff] * (order - 1)
    text = made_up_text(150, 80, seed=order)
    ours = as_dictionary(train_ngrams(text, order, cutoffs))
    expected = slow_kneser_ney(text, order, cutoffs)
    assert ours.keys() == expected.keys()
    for ngram, (prob, backoff) in expected.items():
        if ngram != ("<s>",):
            assert ours[ngram] == pytest.approx([prob, backoff], rel=1e-6)


@pytest.mark.parametrize("cutoffs", [[], [0, 1], [0, 0, 1]])
def test_probabilities_after_every_context_sum_to_one(cutoffs):
    model = build_model(train_ngrams(made_up_text(200, 60), 3, cutoffs))
    words = [index for index, word in enumerate(model.words) if word != "<s>"]
    for state in range(0, sum(model.state_counts), 7):
        assert sum(math.exp(model.step(state, word)[0]) for word in words) == pytest.approx(1, abs=1e-5)


def test_small_text_falls_back_on_fixed_discounts_and_says_so(caplog):
    """lmplz -o 2 --discount_fallback on the same two lines gives these numbers."""
    with caplog.at_level(logging.WARNING, "asr"):
        model = as_dictionary(train_ngrams([["a", "b", "a"], ["b"]], 2))
    assert math.log10(model[("a",)][0]) == pytest.approx(-0.5351132, abs=1e-6)
    assert math.log10(model[("<unk>",)][0]) == pytest.approx(-0.90309, abs=1e-6)
    assert math.log10(model[("<s>", "a")][0]) == pytest.approx(-0.40248764, abs=1e-6)
    assert sum("too little text" in message for message in caplog.messages) == 2


def test_discounts_out_of_range_fall_back():
    assert discounts_of(np.array([1, 2, 3]), 2) != FALLBACK_DISCOUNTS
    assert discounts_of(np.array([1, 2, 3] + [4] * 9), 2) == FALLBACK_DISCOUNTS


def test_start_is_never_predicted():
    model = build_model(train_ngrams(TEXT, 2))
    assert model.step(model.empty_state, model.ids["<s>"])[0] < -200


def test_rare_words_become_the_unknown_word():
    text = [["a", "b"]] * 5 + [["a", "rare"]]
    tables = train_ngrams(text, 2, [1, 1])
    assert tables.vocabulary == ["<unk>", "<s>", "</s>", "a", "b"]
    assert as_dictionary(tables)[("<unk>",)][0] > as_dictionary(train_ngrams(text, 2))[("<unk>",)][0]


def test_order_is_lowered_where_no_sentence_is_that_long(caplog):
    tables = train_ngrams([["a"], ["b"]], 5)
    assert tables.order == 3  # <s> a </s>
    assert "order 3" in caplog.text


@pytest.mark.parametrize("order", [0, 7])
def test_order_out_of_range_is_a_usage_error(order):
    with pytest.raises(UsageError, match="order"):
        train_ngrams([["a"]], order)


@pytest.mark.parametrize("cutoffs", [[1, 0], [-1]])
def test_cutoffs_that_fall_are_a_usage_error(cutoffs):
    with pytest.raises(UsageError, match="cutoffs"):
        train_ngrams([["a"]], 2, cutoffs)


@pytest.mark.parametrize("word", ["<s>", "</s>"])
def test_boundary_marks_in_the_text_are_an_error(word):
    with pytest.raises(DecodingError, match="sentence 2"):
        train_ngrams([["a"], ["b", word]], 2)


def test_unknown_word_in_the_text_is_counted():
    with_unknown = as_dictionary(train_ngrams([["a", "<unk>"]] * 3, 2))
    assert ("a", "<unk>") in with_unknown


def test_empty_text_is_an_error():
    with pytest.raises(DecodingError, match="is empty"):
        train_ngrams([], 2)


def test_training_twice_gives_the_same_bits(tmp_path):
    first, second = (build_model(train_ngrams(TEXT, 3)) for _ in range(2))
    assert isinstance(first, NGramModel)
    for ours, theirs in zip(first.arrays, second.arrays, strict=True):
        assert np.array_equal(ours, theirs)


@pytest.mark.slow
def test_novels_have_the_perplexity_of_lmplz():
    """16.4 M words; every 200th sentence held out. Takes half a minute and 1.3 GB; last run on 22 November 2026.

    KenLM 0.3.0, `lmplz -o 3` and `query -v summary`: 176.7095 with and 172.9597 without the 162 unknown words.
    """
    corpora = Path(os.environ.get("ASR_CORPORA", Path(__file__).parents[3] / "shared" / "corpora"))
    novels = corpora / "text" / "novels.txt.xz"
    if not novels.is_file():
        pytest.skip("the novels are not at hand")
    held = []

    def training():
        for number, sentence in enumerate(read_sentences([novels]), start=1):
            if number % 200 == 0:
                held.append(sentence)
            else:
                yield sentence

    model = build_model(train_ngrams(training(), 3))
    result = total(score_sentences(model, held))
    assert (result.words, result.unknown) == (87567, 162)
    assert result.perplexity == pytest.approx(176.709490, rel=1e-6)
    assert result.perplexity_of_known == pytest.approx(172.959728, rel=1e-6)
