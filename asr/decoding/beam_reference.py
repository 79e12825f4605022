"""The beam search once more in plain Python, with the same results: for tests, and to read. T: frames, V: units.

It works in the log domain on dictionaries, shares no code with the compiled search, and is a hundred times slower.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_workspace import Settings
from asr.decoding.biasing import Phrases, phrase_symbols
from asr.decoding.fusion_setup import Weights
from asr.decoding.lexicon import Lexicon
from asr.decoding.ngram import UNKNOWN_ID, NGramModel
from asr.decoding.phrase_automaton import BOUNDARY
from asr.decoding.readings import Reading
from asr.decoding.recombination import MARGIN, MARGIN_OF_WORDS
from asr.decoding.times import split_words
from asr.units import BLANK, SPACE_SYMBOL, WORD_START, Units

IMPOSSIBLE = -math.inf
END_ID = 2
Arc = tuple[int, int]  # unit, and how the word before it was read: 0 goes on, h ended as homophone h - 1
Prefix = tuple[Arc, ...]


def log_add(*values: float) -> float:
    """log(sum(e^value))."""
    top = max(values)
    return top if top == IMPOSSIBLE else top + math.log(sum(math.exp(value - top) for value in values))


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
            for symbols in [phrase_symbols(phrase, units)]
            for end in range(len(symbols) + 1)
        }
        if self.scores_words:
            self._spell_words()

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

    def endings(self, context: Context) -> list[tuple[float, str | None]]:
        """Log-factor and last word of every way to end the utterance."""
        found = []
        final = -context.phrase_credit
        if self.phrases:
            fired = self.phrases.fired(self.units.decode(context.history))
            final += sum(self.phrases.boosts[phrase] * count for phrase, count in fired.items())
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
        earned = sum(self.phrases.boosts[phrase] * count for phrase, count in self.phrases.fired(text).items())
        shares = [
            boost * self._share(phrase, words[first:], ended)
            for first in range(len(words))
            for phrase, boost in self.phrases.boosts.items()
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
            [token for token in self.units.encode(word) if self.units.symbols[token] != WORD_START]
            for word in phrase.split()
        ]
        if len(tail) > len(wanted) or (ended and len(tail) == len(wanted)):
            return 0.0
        whole = len(tail) if ended else len(tail) - 1
        part = [] if ended else tail[-1]
        if tail[:whole] != wanted[:whole] or (part and wanted[whole][: len(part)] != part):
            return 0.0
        return (sum(map(len, wanted[:whole])) + len(part)) / sum(map(len, wanted))


class ReferenceSearch:
    """The search itself; `run` and `readings` are those of `BeamSearch`."""

    def __init__(self, knowledge: ReferenceKnowledge, settings: Settings) -> None:
        self.knowledge, self.settings = knowledge, settings
        self.contexts: dict[Prefix, Context] = {}
        self.gains: dict[Prefix, float] = {}
        self.ended: dict[Prefix, str | None] = {}  # the word that the prefix's last arc finished
        self.beam: dict[Prefix, tuple[float, float]] = {}  # prefix -> log mass ending in a blank, in a unit

    def begin(self) -> None:
        """Start an utterance."""
        self.contexts, self.gains, self.ended = {(): self.knowledge.start()}, {(): 0.0}, {(): None}
        self.beam = {(): (0.0, IMPOSSIBLE)}

    def run(self, log_probs: NDArray[np.floating]) -> None:
        """Go on through a block (T, V)."""
        for row in np.asarray(log_probs, np.float64).tolist():
            self._frame(row)

    def _frame(self, row: list[float]) -> None:
        tried = [token for token in range(1, len(row)) if row[token] >= self.settings.token_threshold]
        if not tried and len(row) > 1:
            likeliest = max(range(len(row)), key=row.__getitem__)
            tried = [likeliest] if likeliest != BLANK else []
        fresh = {prefix: self._stay(prefix, row) for prefix in self.beam}
        for prefix in self.beam:
            for token in tried:
                for variant, gain, context, word in self.knowledge.extensions(self.contexts[prefix], token):
                    longer = (*prefix, (token, variant))
                    mass = self._arriving(prefix, token) + row[token] + gain
                    if longer in self.beam or mass == IMPOSSIBLE:
                        continue
                    self.contexts[longer], self.gains[longer], self.ended[longer] = context, gain, word
                    fresh[longer] = (IMPOSSIBLE, mass)
        scores = {prefix: log_add(*masses) for prefix, masses in fresh.items()}
        floor = max(scores.values()) + math.log(self.settings.beam_ratio or 1e-300)
        scores = {prefix: score for prefix, score in scores.items() if score >= floor}
        kept = list(scores) if len(scores) <= self.settings.beam else self._recombined(scores, fresh)
        self.beam = {prefix: fresh[prefix] for prefix in kept}

    def _recombined(self, scores: dict[Prefix, float], masses: dict[Prefix, tuple[float, float]]) -> list[Prefix]:
        """The prefixes of a full beam: before others, the best of each group that what comes will treat alike."""
        futures: dict[Prefix, object] = {}
        leaders: dict[object, float] = {}
        for prefix, score in scores.items():
            blank, label = masses[prefix]
            futures[prefix] = self._future(prefix), label > blank
            if prefix not in self.beam:
                futures[prefix] = self._future(prefix[:-1]), prefix[-1]
            leaders[futures[prefix]] = max(score, leaders.get(futures[prefix], IMPOSSIBLE))
        discount = math.log(self.settings.discount) if self.settings.discount > 0.0 else IMPOSSIBLE
        margin = math.log(MARGIN_OF_WORDS if self.knowledge.scores_words else MARGIN)
        worse = {prefix for prefix, score in scores.items() if score < leaders[futures[prefix]] + margin}
        ranks = {prefix: score + (discount if prefix in worse else 0.0) for prefix, score in scores.items()}
        kept = sorted(ranks, key=lambda prefix: -ranks[prefix])[: self.settings.beam]
        return [prefix for prefix in kept if ranks[prefix] > IMPOSSIBLE]

    def _future(self, prefix: Prefix) -> object:
        context = self.contexts[prefix]
        phrase_state = self.knowledge.phrase_state(context.history) if self.knowledge.phrases else ()
        return context.lm_state, context.spelled, phrase_state, prefix[-1][0] if prefix else BLANK

    def _arriving(self, prefix: Prefix, token: int) -> float:
        blank, label = self.beam[prefix]
        return blank if prefix and prefix[-1][0] == token else log_add(blank, label)

    def _stay(self, prefix: Prefix, row: list[float]) -> tuple[float, float]:
        blank, label = self.beam[prefix]
        token = prefix[-1][0] if prefix else BLANK
        repeated = label + row[token] if prefix else IMPOSSIBLE
        if prefix and prefix[:-1] in self.beam:
            repeated = log_add(repeated, self._arriving(prefix[:-1], token) + row[token] + self.gains[prefix])
        return log_add(blank, label) + row[BLANK], repeated

    def readings(self, wanted: int) -> list[Reading]:
        """The best readings if the utterance ends here, best first; empty when none ends well."""
        found = []
        for prefix, masses in self.beam.items():
            log_gain = sum(self.gains[prefix[:end]] for end in range(1, len(prefix) + 1))
            tokens = [token for token, _ in prefix]
            for gain, last in self.knowledge.endings(self.contexts[prefix]):
                words = split_words(tokens, self.knowledge.units)
                if self.knowledge.lexicon is not None:
                    spoken = [self.ended[prefix[:end]] for end in range(1, len(prefix) + 1)] + [last]
                    words = [(word, 0, 0) for word in spoken if word is not None]
                text = " ".join(word for word, _, _ in words)
                found.append(Reading(tokens, text, log_add(*masses) + gain, log_gain + gain, 0.0, words))
        return sorted(found, key=lambda reading: -reading.score)[:wanted]
