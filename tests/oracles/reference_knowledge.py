"""What language model, lexicon and phrases do to a prefix, in plain Python, from their definitions.

For the search in `reference_search`; shares no code with the compiled one.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from asr.decoding.knowledge.phrase_automaton import BOUNDARY
from asr.decoding.knowledge.phrases import Phrases, phrase_spellings
from asr.decoding.knowledge.tables import Weights
from asr.decoding.results.times import split_words
from asr.lm.ngram import UNKNOWN_ID, NGramModel
from asr.lm.text import lm_symbols
from asr.pronunciation.lexicon import Lexicon
from asr.units import SPACE_SYMBOL, WORD_START, Units

IMPOSSIBLE = -math.inf
END_ID = 2


@dataclass(frozen=True)
class Context:
    """What a prefix knows: language-model state, letters of the word in progress (None: unknown word), phrases."""

    lm_state: int
    spelled: tuple[str, ...] | None
    phrase_credit: float
    history: tuple[int, ...]


class ReferenceKnowledge:
    """Factors of language model, lexicon and phrases, from their definitions."""

    def __init__(
        self, units: Units, weights: Weights, lm: NGramModel | None = None, lexicon: Lexicon | None = None,
        phrases: Phrases | None = None,
    ) -> None:  # fmt: skip
        self.units, self.weights, self.lm, self.lexicon, self.phrases = units, weights, lm, lexicon, phrases
        self.scores_words = lexicon is not None or (lm is not None and lm.unit == "words" and units.kind != "words")
        self.by_spelling: dict[tuple[str, ...], list[str]] = {}
        self.beginnings: set[tuple[str, ...]] = set()
        self.phrase_beginnings = {
            tuple(symbols[:end])
            for phrase in (phrases.boosts if phrases else ())
            for symbols in phrase_spellings(phrase, units)
            for end in range(len(symbols) + 1)
        }
        if self.scores_words:
            self._spell_words()
        self.best_words = self._best_words()
        # Units tell the words and no model scores the units: then all spellings of a text are one.
        whole = not (lexicon is not None and lexicon.has_pronunciations) and (lm is None or self.scores_words)
        self.merges_pieces = units.kind == "bpe" and whole
        self.separator = units.space if whole else None

    def _spell_words(self) -> None:
        entries = (
            self.lexicon.entries if self.lexicon else {w: [] for w in self.lm.words if w[0] != "<"} if self.lm else {}
        )
        for word, pronunciations in entries.items():
            marker = (WORD_START,) if self.units.kind == "bpe" else ()
            for spelling in sorted(pronunciations) or [(*marker, *word)]:
                self.by_spelling.setdefault(tuple(spelling), []).append(word)
                self.beginnings.update(tuple(spelling[:end]) for end in range(len(spelling) + 1))

    def start(self) -> Context:
        """Context of the empty prefix."""
        marked = (WORD_START,) if self.units.kind == "bpe" else ()
        return Context(self.lm.start_state if self.lm else 0, marked, 0.0, ())

    def word_gain(self, state: int, word: str) -> tuple[float, int]:
        """Log-factor of a word or unit, and the next language-model state."""
        if self.lm is None:
            return self.weights.beta, state
        index = self.lm.ids.get(word, UNKNOWN_ID)
        log_prob, after = self.lm.step(state, index)
        penalty = self.weights.unknown_penalty if index == UNKNOWN_ID else 0.0
        return self.weights.alpha * log_prob + self.weights.beta - penalty, after

    def look_ahead(self, context: Context) -> float:
        """Log-factor of the best word, by the model's unigrams, that the word in progress can become."""
        if not self.scores_words or context.spelled in ((), (WORD_START,)):
            return 0.0
        if context.spelled is None:
            return self._unigram_gain("<unk>", penalty=False)
        return self.best_words[context.spelled]

    def _best_words(self) -> dict[tuple[str, ...], float]:
        """The log-factor of the best word, by the model's unigrams, that begins with each spelling."""
        best: dict[tuple[str, ...], float] = {}
        for spelling, words in self.by_spelling.items():
            gain = max(self._unigram_gain(word, penalty=True) for word in words)
            for end in range(len(spelling) + 1):
                best[spelling[:end]] = max(gain, best.get(spelling[:end], IMPOSSIBLE))
        return best

    def _unigram_gain(self, word: str, penalty: bool) -> float:
        if self.lm is None:
            return self.weights.beta
        index = self.lm.ids.get(word, UNKNOWN_ID)
        gain = self.weights.alpha * self.lm.step(self.lm.empty_state, index)[0] + self.weights.beta
        return gain - (self.weights.unknown_penalty if index == UNKNOWN_ID and penalty else 0.0)

    def word_ends(self, context: Context) -> list[tuple[float, int, str | None]]:
        """Log-factor, next state and word of every way to end the word in progress."""
        if context.spelled in ((), (WORD_START,)):
            return [(0.0, context.lm_state, None)]
        words = self.by_spelling.get(context.spelled, []) if context.spelled is not None else []
        if words:
            return [(*self.word_gain(context.lm_state, word), word) for word in words]
        if self.lexicon is not None:
            return []
        gain, after = self.word_gain(context.lm_state, "<unk>")
        if context.spelled is None:
            gain += self.weights.unknown_penalty  # already paid
        return [(gain, after, None)]

    def extensions(self, context: Context, token: int) -> Iterator[tuple[int, float, Context, str | None]]:
        """Every way to read one more unit: (variant, log-factor, context, word that ended)."""
        history = (*context.history, token)
        credit = self._phrase_credit(history)
        phrase_gain = credit - context.phrase_credit
        symbol = self.units.symbols[token]
        if not self.scores_words:
            gain, state = (0.0, 0) if self.lm is None else self.word_gain(
                context.lm_state, SPACE_SYMBOL if symbol == " " else symbol
            )  # fmt: skip
            yield 0, gain + phrase_gain, Context(state, (), credit, history), None
            return
        if token == self.units.space:
            for h, (gain, after, word) in enumerate(self.word_ends(context), start=1):
                yield h, gain + phrase_gain, Context(after, (), credit, history), word
            return
        marks_words = self.units.space is not None or self.units.kind == "bpe"
        begins = self.units.starts_word(token) if marks_words else False
        letters = (symbol,) if not marks_words else tuple(symbol)
        ways: list[tuple[int, float, int, tuple[str, ...] | None, str | None]] = []
        if not begins:
            ways.append((0, 0.0, context.lm_state, context.spelled, None))
        if (begins or not marks_words) and not (not marks_words and context.spelled == ()):
            ways += [
                (h, gain, after, (), word) for h, (gain, after, word) in enumerate(self.word_ends(context), start=1)
            ]
        for variant, gain, after, before, word in ways:
            spelled = (*before, *letters) if before is not None else None
            if spelled is not None and spelled not in self.beginnings:
                if self.lexicon is not None:
                    continue
                spelled, gain = None, gain - self.weights.unknown_penalty
            yield variant, gain + phrase_gain, Context(after, spelled, credit, history), word

    def lm_score(self, tokens: Sequence[int], text: str) -> float:
        """Natural-log probability, unweighted, that the language model gives a whole reading; 0 without one."""
        if self.lm is None:
            return 0.0
        return self.lm.score(text.split() if self.scores_words else [lm_symbols(self.units)[token] for token in tokens])

    def endings(self, context: Context) -> list[tuple[float, str | None]]:
        """Log-factor and last word of every way to end the utterance."""
        found = []
        final = -context.phrase_credit
        if self.phrases:
            final += self.phrases.heard(self.units.decode(context.history))
        ways = self.word_ends(context) if self.scores_words else [(0.0, context.lm_state, None)]
        for gain, state, word in ways:
            last = self.weights.alpha * self.lm.step(state, END_ID)[0] if self.lm else 0.0
            found.append((gain + last + final, word))
        return found

    def _phrase_credit(self, history: tuple[int, ...]) -> float:
        """Boosts earned so far, and the part given in advance for the best beginning of a phrase at the end."""
        if self.phrases is None:
            return 0.0
        silent = (" ", WORD_START)
        groups = [history[first:end] for _, first, end in split_words(history, self.units)]
        words = [[token for token in group if self.units.symbols[token] not in silent] for group in groups]
        ended = bool(history) and self.units.symbols[history[-1]] in silent
        complete = groups if ended else groups[:-1]
        text = " ".join(self.units.decode(group) for group in complete)
        earned = self.phrases.heard(text)
        shares = [
            boost * self._share(phrase, words[first:], ended)
            for first in range(len(words))
            for phrase, boost in self.phrases.heard_as.items()
        ]
        return earned + max([0.0, *shares])

    def phrase_state(self, history: tuple[int, ...]) -> tuple[int, ...]:
        """The longest end of what was read that begins a phrase."""
        symbols = [BOUNDARY]
        for token in history:
            silent = self.units.symbols[token] in (" ", WORD_START)
            if (silent or self.units.starts_word(token)) and symbols[-1] != BOUNDARY:
                symbols.append(BOUNDARY)
            if not silent:
                symbols.append(token)
        ends = (tuple(symbols[first:]) for first in range(len(symbols) + 1))
        return next((end for end in ends if end in self.phrase_beginnings), ())

    def _share(self, phrase: str, tail: list[list[int]], ended: bool) -> float:
        """Share of a phrase's units that the last words spell, if they spell its beginning and do not complete it."""
        wanted = [
            [self.units.ids[word]]
            if self.units.kind == "phones"
            else [token for token in self.units.encode(word) if self.units.symbols[token] != WORD_START]
            for word in phrase.split()
        ]
        if len(tail) > len(wanted) or (ended and len(tail) == len(wanted)):
            return 0.0
        whole = len(tail) if ended else len(tail) - 1
        part = [] if ended else tail[-1]
        if tail[:whole] != wanted[:whole] or (part and wanted[whole][: len(part)] != part):
            return 0.0
        return (sum(map(len, wanted[:whole])) + len(part)) / sum(map(len, wanted))
