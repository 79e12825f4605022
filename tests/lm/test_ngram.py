"""The automaton: scores by the back-off rule, contexts, saving and loading."""

import json
import math

import numpy as np
import pytest
from slow_ngrams import as_dictionary, made_up_text, slow_prob, slow_sentence

from asr.errors import DecodingError, UsageError
from asr.lm.arpa_reading import read_arpa
from asr.lm.automaton import build_model, tables_of
from asr.lm.kneser_ney import train_ngrams
from asr.lm.ngram import NGramModel, ngram_step
from asr.lm.pruning import prune

ARPA = """\\data\\
ngram 1=5
ngram 2=3
ngram 3=1

\\1-grams:
-2\t<unk>\t0
-99\t<s>\t-0.5
-1\t</s>\t0
-0.7\ta\t-0.3
-0.9\tb\t-0.2

\\2-grams:
-0.4\t<s> a\t-0.1
-0.6\ta b\t0
-0.8\tb </s>

\\3-grams:
-0.25\t<s> a b

\\end\\
"""


@pytest.fixture
def small(tmp_path):
    (tmp_path / "small.arpa").write_text(ARPA)
    return build_model(read_arpa(tmp_path / "small.arpa"))


@pytest.mark.parametrize(
    ("sentence", "log10_prob"),
    [
        ("", -0.5 - 1),  # </s> after <s>: back off once
        ("a", -0.4 + (-0.1 - 0.3 - 1)),  # a </s>: from "<s> a" over "a" to the unigram
        ("a b", -0.4 - 0.25 - 0.8),  # the trigram; "a b" is no context, so </s> follows "b"
        ("b b", (-0.5 - 0.9) + (-0.2 - 0.9) - 0.8),
        ("zebra", (-0.5 - 2) - 1),  # <unk> has no context of its own
        ("zebra a", (-0.5 - 2) - 0.7 + (-0.3 - 1)),
    ],
)
def test_hand_computed_sentences(small, sentence, log10_prob):
    assert small.score(sentence.split()) == pytest.approx(log10_prob * math.log(10), abs=1e-6)


def test_without_boundaries_the_context_is_empty(small):
    assert small.score(["a", "b"], bos=False, eos=False) == pytest.approx(-1.3 * math.log(10), abs=1e-6)


def test_contexts_that_say_nothing_are_not_states(small):
    """States: empty, <s>, a, b, "<s> a"; "a b" has neither continuation nor weight and becomes "b"."""
    assert small.state_counts == [1, 3, 1]
    _, state = small.step(small.start_state, small.ids["a"])
    _, after = small.step(state, small.ids["b"])
    assert after == small.step(small.empty_state, small.ids["b"])[1]


@pytest.mark.parametrize("order", [1, 2, 4])
@pytest.mark.parametrize("threshold", [None, 1e-3])
def test_equals_back_off_over_dictionaries(order, threshold):
    """Pruned models lack suffixes of their n-grams; the automaton must find the longest one that is there."""
    tables = train_ngrams(made_up_text(200, 60), order)
    if threshold is not None:
        tables = prune(tables, threshold)
    reference, model = as_dictionary(tables), build_model(tables)
    for sentence in made_up_text(40, 90, seed=5):
        assert model.score(sentence) == pytest.approx(slow_sentence(reference, order, sentence), abs=1e-4)


def test_step_equals_reference_word_by_word():
    tables = train_ngrams(made_up_text(100, 30), 3)
    reference, model = as_dictionary(tables), build_model(tables)
    state, history = model.start_state, ["<s>"]
    for word in ["w0", "w1", "w2", "w0", "w4", "</s>"]:
        log_prob, state = model.step(state, model.ids[word])
        assert log_prob == pytest.approx(math.log(slow_prob(reference, history[-2:], word)), abs=1e-5)
        history.append(word)


def test_compiled_and_interpreted_step_agree(small):
    for state in range(sum(small.state_counts)):
        for word in range(len(small.words)):
            assert ngram_step.py_func(*small.arrays, state, word) == pytest.approx(small.step(state, word))


def test_perplexity_counts_ends_and_unknown_words(small):
    expected = math.exp(-(small.score(["a"]) + small.score(["zebra", "b"])) / 5)
    assert small.perplexity([["a"], ["zebra", "b"]]) == pytest.approx(expected)
    assert small.unknown(["zebra", "b"]).tolist() == [True, False]


def test_perplexity_of_nothing_is_an_error(small):
    with pytest.raises(DecodingError, match="no sentences"):
        small.perplexity([])


def test_saved_model_is_the_same_and_memory_mapped(small, tmp_path):
    small.save(tmp_path / "lm")
    loaded = NGramModel.load(tmp_path / "lm")
    assert loaded.words == small.words
    assert loaded.order == 3
    assert loaded.unit == "words"
    assert isinstance(loaded.arrays.slots.base, np.memmap)
    assert loaded.score(["a", "b"]) == small.score(["a", "b"])


def test_saving_replaces_a_model_in_one_step(small, tmp_path):
    small.save(tmp_path / "lm")
    small.save(tmp_path / "lm")
    assert [path.name for path in tmp_path.iterdir() if path.is_dir()] == ["lm"]


@pytest.mark.parametrize("name", ["thesis", "thesis/chapter.tex"])
def test_saving_never_replaces_anything_but_a_model(small, tmp_path, name):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("years of work")
    with pytest.raises(UsageError, match="is no n-gram model"):
        small.save(tmp_path / name)
    assert (tmp_path / "thesis" / "chapter.tex").read_text() == "years of work"
    (tmp_path / "empty").mkdir()
    small.save(tmp_path / "empty")


def test_automaton_and_tables_hold_the_same_ngrams():
    tables = train_ngrams(made_up_text(100, 40), 4)
    back = tables_of(build_model(tables))
    assert back.vocabulary == tables.vocabulary
    for ours, theirs in zip(back.orders, tables.orders, strict=True):
        assert np.array_equal(ours.prefixes, theirs.prefixes)
        assert np.array_equal(ours.words, theirs.words)
        np.testing.assert_allclose(ours.log_probs, theirs.log_probs, atol=1e-6)
        np.testing.assert_allclose(ours.backoffs, theirs.backoffs, atol=1e-6)


def _drop_array(folder):
    (folder / "contexts.npy").unlink()


def _cut_array(folder):
    (folder / "slots.npy").write_bytes((folder / "slots.npy").read_bytes()[:100])


def _lose_words(folder):
    (folder / "words.txt").write_text("<unk>\n<s>\n</s>\n")


def _break_json(folder):
    (folder / "ngram.json").write_text("{")


def _lose_key(folder):
    (folder / "ngram.json").write_text(json.dumps({"format": 1}))


def _other_format(folder):
    description = json.loads((folder / "ngram.json").read_text())
    (folder / "ngram.json").write_text(json.dumps({**description, "format": 99}))


def _other_columns(folder):
    np.save(folder / "slots.npy", np.load(folder / "slots.npy")["key"])


def _fill_slots(folder):
    slots = np.load(folder / "slots.npy")
    np.save(folder / "slots.npy", slots[slots["key"] >= 0])


DAMAGES = [_other_columns, _fill_slots, _drop_array, _cut_array, _lose_words, _break_json, _lose_key, _other_format]


@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_folder_is_an_error_that_names_it(small, tmp_path, damage):
    small.save(tmp_path / "lm")
    damage(tmp_path / "lm")
    with pytest.raises(DecodingError, match="lm") as caught:
        NGramModel.load(tmp_path / "lm")
    assert "asr lm train" in caught.value.remedy


def test_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DecodingError, match="not a whole n-gram model"):
        NGramModel.load(tmp_path / "nothing")
