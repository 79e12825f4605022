"""The columns of an n-gram model: looking n-grams up, spelling them out, and choosing some of them."""

import numpy as np
import pytest
from slow_ngrams import as_dictionary, made_up_text

from asr.lm.kneser_ney import train_ngrams
from asr.lm.tables import NGramTables, find_sorted, select


@pytest.fixture(scope="module")
def tables() -> NGramTables:
    return train_ngrams(made_up_text(80, 25), 3)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_every_ngram_is_found_where_it_is(tables, order):
    ngrams = tables.ngrams(order)
    assert tables.find(ngrams).tolist() == list(range(len(tables.orders[order - 1])))
    assert len(np.unique(ngrams, axis=0)) == len(ngrams)


@pytest.mark.parametrize("order", [2, 3])
def test_what_is_not_there_is_not_found(tables, order):
    present = set(map(tuple, tables.ngrams(order).tolist()))
    draws = np.random.default_rng(0).integers(0, len(tables.vocabulary), (300, order))
    rows = tables.find(draws)
    assert [row >= 0 for row in rows.tolist()] == [tuple(draw) in present for draw in draws.tolist()]
    assert (rows < 0).any()


@pytest.mark.parametrize("order", [1, 2, 3])
def test_keys_ascend_so_that_they_can_be_searched(tables, order):
    assert (np.diff(tables.keys(order)) > 0).all()


def test_children_are_longer_ngrams(tables):
    prefixes = {tuple(ngram[:-1]) for ngram in tables.ngrams(3).tolist()}
    flags = tables.has_children(2)
    assert [tuple(ngram) in prefixes for ngram in tables.ngrams(2).tolist()] == flags.tolist()
    assert not tables.has_children(3).any()


def test_a_selection_keeps_values_and_drops_the_rest(tables):
    rng = np.random.default_rng(1)
    top = rng.random(len(tables.orders[2])) < 0.3
    middle = rng.random(len(tables.orders[1])) < 0.3
    middle[tables.orders[2].prefixes[top]] = True
    chosen = select(tables, [np.ones(len(tables.orders[0]), bool), middle, top])
    whole, part = as_dictionary(tables), as_dictionary(chosen)
    assert all(whole[ngram] == values for ngram, values in part.items())
    wanted = [*map(tuple, tables.ngrams(2)[middle].tolist()), *map(tuple, tables.ngrams(3)[top].tolist())]
    spelled = {tuple(tables.vocabulary[index] for index in ngram) for ngram in wanted}
    assert {ngram for ngram in part if len(ngram) > 1} == spelled


def test_looking_into_nothing():
    rows, words = np.array([0, -1, 2]), np.array([1, 1, 1])
    assert find_sorted(np.empty(0, np.int64), rows, words, 5).tolist() == [-1, -1, -1]
    assert find_sorted(np.array([1, 11], np.int64), rows, words, 5).tolist() == [0, -1, 1]
