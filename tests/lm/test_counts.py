"""Counting against plain counters."""

from collections import Counter

import pytest
from slow_ngrams import made_up_text

from asr.errors import DecodingError
from asr.lm.counts import count_ngrams


def spelled(counts):
    """{n-gram: occurrences} of all orders."""
    found, names = {}, [()]
    for table in counts.orders:
        names = [
            (*names[prefix], counts.vocabulary[word])
            for prefix, word in zip(table.prefixes.tolist(), table.words.tolist(), strict=True)
        ]
        found.update(zip(names, table.counts.tolist(), strict=True))
    return found


@pytest.mark.parametrize("order", [1, 2, 5])
def test_equals_counters(order):
    text = [*made_up_text(60, 20), [], ["w0"]]
    expected = Counter({("<unk>",): 0})
    for sentence in text:
        padded = ["<s>", *sentence, "</s>"]
        for k in range(1, order + 1):
            expected.update(tuple(padded[i : i + k]) for i in range(len(padded) - k + 1))
    assert spelled(count_ngrams(text, order)) == dict(expected) | {("<unk>",): 0}


def test_suffixes_are_rows_of_the_ngram_without_its_first_word():
    counts = count_ngrams(made_up_text(40, 15), 3)
    lower, table = counts.orders[1], counts.orders[2]
    for row in range(len(table.counts)):
        suffix, middle = table.suffixes[row], counts.orders[1].words[table.prefixes[row]]
        assert lower.words[suffix] == table.words[row]
        assert lower.prefixes[suffix] == middle


def test_rare_words_are_replaced_before_counting():
    counts = count_ngrams([["a", "b"], ["a", "c"]], 2, word_cutoff=1)
    assert counts.vocabulary == ["<unk>", "<s>", "</s>", "a"]
    assert spelled(counts)[("a", "<unk>")] == 2


@pytest.mark.parametrize("word", ["<S>", "</S>"])
def test_boundaries_in_capitals_are_refused(word):
    with pytest.raises(DecodingError, match=f"sentence 2 contains the word {word}"):
        count_ngrams([["A"], ["B", word]], 2)


def test_the_unknown_word_in_capitals_is_the_unknown_word(caplog):
    counted = count_ngrams([["A", "<UNK>", "B"], ["<unk>"]], 1)
    assert counted.vocabulary == ["<unk>", "<s>", "</s>", "A", "B"]
    assert counted.orders[0].counts[0] == 2
    assert "<UNK>; counted as <unk>" in caplog.text
