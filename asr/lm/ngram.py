"""Back-off n-gram language models as an automaton: one table look-up a word, compiled, memory-mapped.

A state is a context, the longest suffix of the history that the model knows; state 0 is the empty context. An arc is
an n-gram: it leaves the state of its first words with its last word, carries log P(word | context), and enters the
longest suffix of itself that is a state. Contexts with no continuation and no back-off weight are not states (their
longest suffix is), which is the state minimisation of KenLM (Heafield, 2011, section 4).

Legend: S states (contexts), H hash slots, V words of the language model.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from asr.errors import DecodingError, UsageError
from asr.files import atomic_directory
from asr.kernels.compile import Integer, allocating, kernel

UNKNOWN, BEGIN, END = "<unk>", "<s>", "</s>"
UNKNOWN_ID, BEGIN_ID, END_ID = 0, 1, 2
LMUnit = Literal["words", "characters", "units"]
FORMAT = 2  # of the folder; 1 had keys and values in files of their own

SLOT = np.dtype([("key", np.int64), ("log_prob", np.float32), ("next_state", np.int32)])
UNIGRAM = np.dtype([("log_prob", np.float32), ("next_state", np.int32)])
CONTEXT = np.dtype([("followers", np.uint64), ("backoff", np.float32), ("backoff_state", np.int32)])
EMPTY = -1


class NGramArrays(NamedTuple):
    """Everything a compiled kernel needs; each array may be memory-mapped. What is read together lies together."""

    slots: np.ndarray  # (H,) SLOT: n-grams of two words and more by state * V + word, open addressing; -1 is empty
    unigrams: np.ndarray  # (V,) UNIGRAM
    contexts: np.ndarray  # (S,) CONTEXT; `followers` is a set of words, by `bit_of_word`, that may have a slot
    vocabulary_size: int


@kernel
def first_slot(key: Integer, slots: int) -> int:
    """Where the search for `key` begins: the high half of a Fibonacci hash, scaled to the number of slots."""
    mixed = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    high = (mixed * np.uint64(0xBF58476D1CE4E5B9)) >> np.uint64(32)
    return int(np.int64((high * np.uint64(slots)) >> np.uint64(32)))


@kernel
def bit_of_word(word: Integer) -> Integer:
    """A word as a set of words, one bit of 64 for many of them."""
    return np.uint64(1) << ((np.uint64(word) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(58))


@kernel
def key_of(vocabulary_size: int, state: Integer, word: Integer) -> Integer:
    """The key of the n-gram of a state's words and one more."""
    return np.int64(state) * np.int64(vocabulary_size) + np.int64(word)


@kernel
def find_ngram(slots: np.ndarray, key: Integer) -> int:
    """The slot of a key, or -1."""
    slot = first_slot(key, slots.shape[0])
    while slots[slot]["key"] != key:
        if slots[slot]["key"] == EMPTY:
            return -1
        slot += 1
        if slot == slots.shape[0]:
            slot = 0
    return slot


@kernel
def ngram_step(
    slots: np.ndarray, unigrams: np.ndarray, contexts: np.ndarray, vocabulary_size: int, state: Integer, word: Integer
) -> tuple[float, Integer]:
    """Natural log P(word | state) and the state after it; `word` is an id in 0..V-1, unknown words are id 0."""
    total = 0.0
    while state != 0:
        context = contexts[state]
        if context["followers"] & bit_of_word(word) != 0:  # most words that do not follow are told without a search
            slot = find_ngram(slots, key_of(vocabulary_size, state, word))
            if slot >= 0:
                return total + slots[slot]["log_prob"], np.int64(slots[slot]["next_state"])
        total += context["backoff"]
        state = np.int64(context["backoff_state"])
    return total + unigrams[word]["log_prob"], np.int64(unigrams[word]["next_state"])


@allocating
def ngram_score_all(
    slots: np.ndarray, unigrams: np.ndarray, contexts: np.ndarray, vocabulary_size: int, state: int, words: np.ndarray
) -> np.ndarray:
    """Natural log-probability of each of `words` (n,), read one after the other from `state`: (n,) float64."""
    scores = np.empty(words.shape[0])
    for index in range(words.shape[0]):
        scores[index], state = ngram_step(slots, unigrams, contexts, vocabulary_size, state, words[index])
    return scores


class NGramModel:
    """An n-gram model ready for use.

    Args:
        words: id -> word; 0 is "<unk>", 1 "<s>", 2 "</s>".
        arrays: the automaton.
        state_counts: states of each context length 0, 1, ..., order - 1; their sum is S.
        arc_counts: n-grams of each order; their sum is A.
        unit: what a word of the model is.
    """

    def __init__(
        self,
        words: Sequence[str],
        arrays: NGramArrays,
        state_counts: Sequence[int],
        arc_counts: Sequence[int],
        unit: LMUnit = "words",
    ) -> None:
        self.words = list(words)
        self.arrays = arrays
        self.state_counts = list(state_counts)
        self.arc_counts = list(arc_counts)
        self.unit: LMUnit = unit
        self.order = len(self.arc_counts)
        self.empty_state = 0
        self.start_state = int(arrays.unigrams["next_state"][BEGIN_ID])

    @cached_property
    def ids(self) -> dict[str, int]:
        """Word -> id."""
        return {word: index for index, word in enumerate(self.words)}

    def step(self, state: int, word_id: int) -> tuple[float, int]:
        """Natural log P(word | state) and the next state."""
        log_prob, following = ngram_step(*self.arrays, state, word_id)
        return float(log_prob), int(following)

    def word_scores(self, sentence: Sequence[str], bos: bool = True, eos: bool = True) -> np.ndarray:
        """Natural log-probability of each word, and of the end of the sentence if `eos`: (n,) or (n + 1,)."""
        ids = [self.ids.get(word, UNKNOWN_ID) for word in sentence] + [END_ID] * eos
        state = self.start_state if bos else self.empty_state
        return np.asarray(ngram_score_all(*self.arrays, state, np.asarray(ids, np.int64)))

    def score(self, sentence_words: Sequence[str], bos: bool = True, eos: bool = True) -> float:
        """Natural log-probability of a sentence; words outside the vocabulary count as "<unk>"."""
        return float(self.word_scores(sentence_words, bos, eos).sum())

    def unknown(self, sentence: Sequence[str]) -> np.ndarray:
        """Whether each word is outside the vocabulary: (n,) bool."""
        return np.asarray([self.ids.get(word, UNKNOWN_ID) == UNKNOWN_ID for word in sentence], bool)

    def perplexity(self, sentences: Iterable[Sequence[str]]) -> float:
        """Perplexity per word, sentence ends and unknown words counted.

        Raises:
            DecodingError: no sentences.
        """
        from asr.lm.perplexity import score_sentences, total

        return total(score_sentences(self, sentences)).perplexity

    def save(self, directory: str | Path) -> None:
        """Write the automaton as a folder of plain arrays; a model that is there is replaced in one step.

        Raises:
            UsageError: the folder exists and holds something else, which would be lost.
        """
        ensure_replaceable(directory)
        with atomic_directory(directory) as folder:
            for name, array in zip(NGramArrays._fields[:3], self.arrays[:3], strict=True):
                np.save(folder / f"{name}.npy", array)
            (folder / "words.txt").write_text("".join(word + "\n" for word in self.words), encoding="utf-8")
            description = {
                "format": FORMAT,
                "unit": self.unit,
                "states": self.state_counts,
                "ngrams": self.arc_counts,
            }
            (folder / "ngram.json").write_text(json.dumps(description, indent=1) + "\n", encoding="utf-8")

    @staticmethod
    def load(directory: str | Path) -> NGramModel:
        """Memory-map a model that `save` wrote.

        Raises:
            DecodingError: missing, incomplete or inconsistent folder.
        """
        folder = Path(directory)
        remedy = "build it again with 'asr lm train' or 'asr lm convert'"
        try:
            description = json.loads((folder / "ngram.json").read_text(encoding="utf-8"))
            words = (folder / "words.txt").read_text(encoding="utf-8").split("\n")[:-1]
            version = description["format"]
            if version != FORMAT:
                raise DecodingError(folder, f"has format {version}, this program reads {FORMAT}", remedy)
            # Mode "c" rather than "r": numba would compile a second version of every kernel for read-only arrays.
            arrays = [np.asarray(np.load(folder / f"{name}.npy", mmap_mode="c")) for name in NGramArrays._fields[:3]]
            states, ngrams, unit = description["states"], description["ngrams"], description["unit"]
        except (OSError, ValueError, KeyError, TypeError) as error:
            reason = f"is not a whole n-gram model ({type(error).__name__}: {error})"
            raise DecodingError(folder, reason, remedy) from None
        slots, unigrams, contexts = arrays
        kinds = (slots.dtype, unigrams.dtype, contexts.dtype) == (SLOT, UNIGRAM, CONTEXT)
        sizes = (len(unigrams), len(contexts), len(words)) == (ngrams[0], sum(states), ngrams[0])
        if not kinds or not sizes or len(slots) <= sum(ngrams[1:]):  # a search ends at an empty slot
            raise DecodingError(folder, "has arrays that do not fit each other", remedy)
        automaton = NGramArrays(slots, unigrams, contexts, len(words))
        return NGramModel(words, automaton, states, ngrams, unit)


def ensure_replaceable(directory: str | Path) -> None:
    """Make sure that writing a model folder destroys nothing but an older model.

    Raises:
        UsageError: something else is there.
    """
    path = Path(directory)
    if path.exists() and not (path / "ngram.json").is_file() and not (path.is_dir() and not any(path.iterdir())):
        raise UsageError(path, "exists and is no n-gram model", "choose another name, or remove it yourself")
