"""The beam search once more in plain Python, with the same results. T: frames, V: units.

It works in the log domain on dictionaries and shares no code with the compiled search: the tests compare both.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from reference_knowledge import IMPOSSIBLE, Context, ReferenceKnowledge

from asr.decoding.results.readings import Reading, Span, lexicon_words
from asr.decoding.search.state import Settings
from asr.units import BLANK

Arc = tuple[int, int]  # unit, and how the word before it was read: 0 goes on, h ended as homophone h - 1
Prefix = tuple[Arc, ...]
NONE = -1
WINDOW = 3  # units: while prefixes differ in the last ones, how probable they are is not settled


def log_add(*values: float) -> float:
    """log(sum(e^value))."""
    top = max(values)
    return top if top == IMPOSSIBLE else top + math.log(sum(math.exp(value - top) for value in values))


class ReferenceSearch:
    """The search itself: `begin`, `run` through blocks, `readings`."""

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
        self._extend(fresh, row, tried)
        scores = {prefix: log_add(*masses) for prefix, masses in fresh.items()}
        floor = max(scores.values()) + math.log(self.settings.beam_ratio or 1e-300)
        scores = {prefix: score for prefix, score in scores.items() if score >= floor}
        scores = {prefix: score for prefix, score in scores.items() if score > IMPOSSIBLE}
        kept = list(scores) if len(scores) <= self.settings.beam else self._recombined(scores, fresh)
        self.beam = {prefix: fresh[prefix] for prefix in kept}

    def _extend(self, fresh: dict[Prefix, tuple[float, float]], row: list[float], tried: list[int]) -> None:
        """Add the prefixes that a frame makes to `fresh`."""
        staying = [log_add(*masses) for masses in fresh.values()]
        floor = max(staying) + math.log(self.settings.beam_ratio or 1e-300)
        if len(self.beam) == self.settings.beam:
            floor = max(floor, min(staying) - 1.0)
        owners = {self._spelled(prefix): prefix for prefix in self.beam}
        shares: dict[Prefix, float] = {}
        for prefix in self.beam:
            for token in tried:
                if token == self.knowledge.separator and (not prefix or prefix[-1][0] == token):
                    continue
                for longer, gain, context, word in self._arcs(prefix, token):
                    mass = self._arriving(prefix, token) + row[token] + gain
                    if longer in self.beam or mass == IMPOSSIBLE or mass < floor:
                        continue
                    self.contexts[longer], self.gains[longer], self.ended[longer] = context, gain, word
                    spelled = self._spelled(longer)
                    owner = owners.get(spelled) if self.knowledge.merges_pieces else None
                    if owner is None:
                        owners[spelled], fresh[longer], shares[longer] = longer, (IMPOSSIBLE, mass), mass
                    elif owner in self.beam:
                        fresh[owner] = fresh[owner][0], log_add(fresh[owner][1], mass)
                    else:
                        total = log_add(fresh.pop(owner)[1], mass)
                        if mass > shares[owner]:
                            owner, shares[longer] = longer, mass
                        owners[spelled], fresh[owner] = owner, (IMPOSSIBLE, total)

    def _arcs(self, prefix: Prefix, token: int) -> list[tuple[Prefix, float, Context, str | None]]:
        """Every way to read one more unit: (prefix, log-factor with look-ahead, context, word)."""
        before = self.contexts[prefix]
        return [
            (
                (*prefix, (token, variant)),
                gain - self.knowledge.look_ahead(before) + self.knowledge.look_ahead(after), after, word,
            )
            for variant, gain, after, word in self.knowledge.extensions(before, token)
        ]  # fmt: skip

    def _spelled(self, prefix: Prefix) -> object:
        """The same for prefixes that spell one text, end in the same unit and are equal to the phrases."""
        if not self.knowledge.merges_pieces or not prefix:
            return prefix
        text = self.knowledge.units.decode(token for token, _ in prefix)
        phrase = self.knowledge.phrase_state(self.contexts[prefix].history) if self.knowledge.phrases else ()
        return text, prefix[-1][0], phrase

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
        worse = {prefix for prefix, score in scores.items() if score < leaders[futures[prefix]]}
        ranks = {prefix: score + (discount if prefix in worse else 0.0) for prefix, score in scores.items()}
        kept = sorted(ranks, key=lambda prefix: -ranks[prefix])[: self.settings.beam]
        return [prefix for prefix in kept if ranks[prefix] > IMPOSSIBLE]

    def _future(self, prefix: Prefix) -> str:
        context = self.contexts[prefix]
        phrase_state = self.knowledge.phrase_state(context.history) if self.knowledge.phrases else ()
        return repr((context.lm_state, context.spelled, phrase_state, [token for token, _ in prefix[-WINDOW:]]))

    def _arriving(self, prefix: Prefix, token: int) -> float:
        blank, label = self.beam[prefix]
        return blank if prefix and prefix[-1][0] == token else log_add(blank, label)

    def _stay(self, prefix: Prefix, row: list[float]) -> tuple[float, float]:
        blank, label = self.beam[prefix]
        token = prefix[-1][0] if prefix else BLANK
        repeated = label + row[token] if prefix else IMPOSSIBLE
        if prefix and prefix[:-1] in self.beam:
            repeated = log_add(repeated, self._arriving(prefix[:-1], token) + row[token] + self.gains[prefix])
        stays = log_add(blank, label) + row[BLANK]
        if self.knowledge.separator is not None:  # one after another, or before the first word, is not heard
            if token == self.knowledge.separator:
                repeated = log_add(repeated, blank + row[token])
            elif not prefix:
                stays = log_add(stays, blank + row[self.knowledge.separator])
        return stays, repeated

    def readings(self, wanted: int | None = None) -> list[Reading]:
        """The best readings if the utterance ends here, or all of them, best first; empty when none ends well."""
        found = [
            self.reading(prefix, log_add(*masses) + gain, gain, last)
            for prefix, masses in self.beam.items()
            for gain, last in self.endings(prefix)
        ]
        found.sort(key=lambda reading: -reading.score)
        if self.knowledge.merges_pieces or self.knowledge.separator is not None:
            spellings: dict[str, list[Reading]] = {}
            for reading in found:
                spellings.setdefault(reading.text, []).append(reading)
            found = [replace(same[0], score=log_add(*(r.score for r in same))) for same in spellings.values()]
            found.sort(key=lambda reading: -reading.score)
        return found[:wanted]

    def endings(self, prefix: Prefix) -> list[tuple[float, str | None]]:
        """Log-factor and last word of every way to end in a prefix; none when it ends inside a word."""
        ahead = self.knowledge.look_ahead(self.contexts[prefix])
        return [(gain - ahead, last) for gain, last in self.knowledge.endings(self.contexts[prefix])]

    def reading(self, prefix: Prefix, score: float, last_gain: float, last: str | None) -> Reading:
        """What a prefix reads, ended with a log-factor and a word."""
        log_gain = last_gain + sum(self.gains[prefix[:end]] for end in range(1, len(prefix) + 1))
        tokens = [token for token, _ in prefix]
        spans = self._spoken(prefix, tokens, last) if self.knowledge.lexicon is not None else None
        text = self.knowledge.units.decode(tokens) if spans is None else " ".join(word for word, _, _ in spans)
        return Reading(tokens, text, score, log_gain, spans)

    def _spoken(self, prefix: Prefix, tokens: list[int], last: str | None) -> list[Span]:
        """The words of the lexicon and the units that spell them."""
        ended = [*(self.ended[prefix[:end]] for end in range(1, len(prefix) + 1)), last]
        names = [word for word in ended if word is not None]
        numbers = iter(range(len(names)))
        finished = [NONE if word is None else next(numbers) for word in ended]
        variants = [variant for _, variant in prefix]
        return lexicon_words(tokens, finished[:-1], variants, finished[-1], names, self.knowledge.units)
