"""Counting the n-grams of a text with sorted arrays.

Each position of the text carries the row of the n-gram that begins there; the (k+1)-gram at a position is the pair
(row of its k-gram, its last word), one 64-bit key, so that an order costs one sort whatever its length.

Legend: n tokens, n_k different n-grams of order k, V words.
"""

from __future__ import annotations

import logging
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from asr.errors import DecodingError
from asr.lm.ngram import BEGIN, BEGIN_ID, END, END_ID, UNKNOWN, UNKNOWN_ID

logger = logging.getLogger("asr")


@dataclass
class OrderCounts:
    """The n-grams of one order, sorted by (prefix, word)."""

    prefixes: np.ndarray  # (n_k,) int32 row one order lower of the first k - 1 words
    words: np.ndarray  # (n_k,) int32 last word
    suffixes: np.ndarray  # (n_k,) int32 row one order lower of the last k - 1 words
    counts: np.ndarray  # (n_k,) int64 occurrences
    begins: np.ndarray  # (n_k,) bool: the first word is <s>


@dataclass
class NGramCounts:
    """Counts of every order 1 .. N; the unigram rows are the word ids."""

    vocabulary: list[str]
    orders: list[OrderCounts] = field(default_factory=list)


def count_ngrams(sentences: Iterable[Sequence[str]], order: int, word_cutoff: int = 0) -> NGramCounts:
    """Count the n-grams of sentences, each between <s> and </s>.

    Args:
        sentences: words of each sentence. "<unk>" and "<UNK>" are counted as the unknown word.
        order: the longest n-grams; lowered where no sentence is that long.
        word_cutoff: words seen at most this often become "<unk>".

    Raises:
        DecodingError: no words at all, or "<s>" or "</s>", in either case, among them.
    """
    vocabulary, tokens = _number_words(sentences)
    if word_cutoff > 0:
        vocabulary, tokens = _drop_rare_words(vocabulary, tokens, word_cutoff)
    size = len(vocabulary)
    ends = np.flatnonzero(tokens == END_ID)
    lengths = np.diff(ends, prepend=-1)
    remaining = np.minimum(np.repeat(ends, lengths) - np.arange(len(tokens)) + 1, order).astype(np.uint8)
    unigrams = np.arange(size, dtype=np.int32)
    zeros = np.zeros(size, np.int32)
    occurrences = np.bincount(tokens, minlength=size)
    counted = NGramCounts(vocabulary, [OrderCounts(zeros, unigrams, zeros, occurrences, unigrams == BEGIN_ID)])
    rows = tokens
    for length in range(2, order + 1):
        positions = np.flatnonzero(remaining >= length).astype(np.int32)
        if len(positions) == 0:
            break
        table, rows = _count_order(tokens, rows, positions, length, size)
        table.begins = counted.orders[-1].begins[table.prefixes]
        counted.orders.append(table)
    return counted


def _count_order(
    tokens: np.ndarray, rows: np.ndarray, positions: np.ndarray, length: int, size: int
) -> tuple[OrderCounts, np.ndarray]:
    """Table of one order, and the row of the n-gram that begins at each position."""
    keys = rows[positions].astype(np.int64)
    keys *= size
    keys += tokens[positions + (length - 1)]
    by_key = np.argsort(keys)
    keys = keys[by_key]
    is_first = np.empty(len(keys), bool)
    is_first[0] = True
    np.not_equal(keys[1:], keys[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    ranks = np.cumsum(is_first, dtype=np.int32)
    ranks -= 1
    new_rows = np.full(len(tokens), -1, np.int32)
    new_rows[positions[by_key]] = ranks
    prefixes, words = np.divmod(keys[starts], size)
    table = OrderCounts(
        prefixes=prefixes.astype(np.int32),
        words=words.astype(np.int32),
        suffixes=rows[positions[by_key[starts]] + 1],
        counts=np.diff(starts, append=len(keys)),
        begins=np.empty(0, bool),
    )
    return table, new_rows


def _number_words(sentences: Iterable[Sequence[str]]) -> tuple[list[str], np.ndarray]:
    """Vocabulary in order of appearance after the three special words, and the text as ids (n,) int32."""
    ids: defaultdict[str, int] = defaultdict()
    ids.default_factory = ids.__len__
    for special in (UNKNOWN, BEGIN, END):
        ids[special]
    tokens = array("i")
    for number, words in enumerate(sentences, start=1):
        if BEGIN in words or END in words:
            reason = f"sentence {number} contains the word {BEGIN} or {END}"
            raise DecodingError("text", reason, "remove it: the boundaries of each line are added by themselves")
        tokens.append(BEGIN_ID)
        tokens.extend(map(ids.__getitem__, words))
        tokens.append(END_ID)
    if len(ids) == 3 and not tokens:
        raise DecodingError("text", "is empty", "give text with at least one sentence")
    return _without_other_spellings(list(ids), np.frombuffer(tokens, np.int32))


def _without_other_spellings(vocabulary: list[str], tokens: np.ndarray) -> tuple[list[str], np.ndarray]:
    """Refuse <S> and </S> and count <UNK> as <unk>: a reader of ARPA files takes them for the special words."""
    others = [
        index for index, word in enumerate(vocabulary) if index > END_ID and word.lower() in vocabulary[: END_ID + 1]
    ]
    if not others:
        return vocabulary, tokens
    for index in others:
        if vocabulary[index].lower() != UNKNOWN:
            number = int(np.count_nonzero(tokens[: int(np.argmax(tokens == index))] == END_ID)) + 1
            reason = f"sentence {number} contains the word {vocabulary[index]}"
            raise DecodingError("text", reason, "remove it: the boundaries of each line are added by themselves")
    logger.warning("the text holds %s; counted as %s", " ".join(vocabulary[index] for index in others), UNKNOWN)
    keep = np.ones(len(vocabulary), bool)
    keep[others] = False
    new_ids = np.where(keep, np.cumsum(keep) - 1, UNKNOWN_ID).astype(np.int32)
    return [word for word, kept in zip(vocabulary, keep.tolist(), strict=True) if kept], new_ids[tokens]


def _drop_rare_words(vocabulary: list[str], tokens: np.ndarray, cutoff: int) -> tuple[list[str], np.ndarray]:
    keep = np.bincount(tokens, minlength=len(vocabulary)) > cutoff
    keep[: END_ID + 1] = True
    new_ids = np.where(keep, np.cumsum(keep) - 1, UNKNOWN_ID).astype(np.int32)
    return [word for word, kept in zip(vocabulary, keep.tolist(), strict=True) if kept], new_ids[tokens]
