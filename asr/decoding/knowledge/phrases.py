"""Phrases that a user expects: each occurrence in a transcript earns a bonus; which ones fired is counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from itertools import islice, product
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.phrase_automaton import BOUNDARY, OUTSIDE, PHRASE_STATE, PhraseArrays
from asr.decoding.knowledge.spelling_graph import lay_out
from asr.errors import DecodingError, UnitsError
from asr.text_files import open_text
from asr.units import WORD_START, Units

MOST_SPELLINGS = 16
DEFAULT_BOOST = 5.0  # natural log; a phrase may be e^5 = 148 times less probable and still win


class Phrases:
    """Boosted phrases, spelled in the units of a model.

    Args:
        boosts: phrase -> bonus in natural log for each occurrence as whole words; above 0.
        units: the acoustic model's units; they must say where words begin or end.

    Raises:
        DecodingError: a phrase is empty, cannot be spelled in the units, or has a boost that is not above 0; or the
            units do not mark words.
    """

    def __init__(self, boosts: Mapping[str, float], units: Units) -> None:
        self.boosts = {" ".join(phrase.split()): float(boost) for phrase, boost in boosts.items()}
        if units.kind == "characters" and units.space is None:
            raise DecodingError("phrases", "need units that mark words", "use units with a space, or BPE or word units")
        for phrase, boost in self.boosts.items():
            if not phrase or not 0.0 < boost < 100.0:
                raise DecodingError(
                    repr(phrase), f"cannot be boosted by {boost}", "give a phrase and a boost in 0..100"
                )
        self.units = units
        self.heard_as = dict(self.boosts)  # as the units alone tell it: of phones, each way of saying a phrase
        if units.kind == "phones":
            self.heard_as = {
                units.decode(token for token in said if token != BOUNDARY): boost
                for phrase, boost in self.boosts.items()
                for said in phrase_spellings(phrase, units)
            }
        builder = _Builder()
        for phrase, boost in self.boosts.items():
            for symbols in phrase_spellings(phrase, units):
                builder.add(symbols, boost)
        self.arrays = builder.arrays(units)

    def fired(self, text: str) -> Counter[str]:
        """How often each phrase occurs in a transcript; phrases that do not occur are left out."""
        return _occurrences(self.boosts, text)

    def heard(self, text: str) -> float:
        """What all phrases earn in a text as the units alone tell it, natural log; see `heard_as`."""
        return sum(self.heard_as[phrase] * count for phrase, count in _occurrences(self.heard_as, text).items())

    def report(self, texts: Iterable[str]) -> dict[str, int]:
        """Occurrences of every phrase in all transcripts, most frequent first; those that never fired have 0."""
        total: Counter[str] = Counter(dict.fromkeys(self.boosts, 0))
        for text in texts:
            total.update(self.fired(text))
        return dict(total.most_common())


def _occurrences(phrases: Iterable[str], text: str) -> Counter[str]:
    words = text.split()
    counts: Counter[str] = Counter()
    by_length: dict[int, set[str]] = {}
    for phrase in phrases:
        by_length.setdefault(phrase.count(" ") + 1, set()).add(phrase)
    for length, wanted in by_length.items():
        spans = (" ".join(words[first : first + length]) for first in range(len(words) - length + 1))
        counts.update(span for span in spans if span in wanted)
    return counts


def read_phrases(path: str | Path) -> dict[str, float]:
    """Read a file with a phrase a line, optionally a tab and its boost; empty lines and lines from '#' are skipped.

    Raises:
        DecodingError: unreadable file, a boost that is no number, or no phrase at all.
    """
    boosts: dict[str, float] = {}
    try:
        with open_text(path) as stream:
            lines = stream.read().splitlines()
    except (OSError, EOFError, UnicodeError) as error:
        raise DecodingError(path, f"cannot be read ({error})", "give a UTF-8 text file of phrases") from None
    for number, line in enumerate(lines, start=1):
        phrase, _, boost = line.partition("\t")
        if not phrase.strip() or phrase.startswith("#"):
            continue
        try:
            boosts[phrase.strip()] = float(boost) if boost.strip() else DEFAULT_BOOST
        except ValueError:
            raise DecodingError(f"{path}:{number}", f"boost {boost!r} is no number", "write PHRASE<tab>BOOST") from None
    if not boosts:
        raise DecodingError(path, "has no phrases", "write one phrase a line")
    return boosts


def phrase_symbols(phrase: str, units: Units) -> list[int]:
    """The phrase in units that have letters, with a boundary before each of its words and after the last."""
    symbols: list[int] = []
    for word in phrase.split():
        try:
            tokens = units.encode(word)
        except UnitsError as error:
            raise DecodingError(repr(phrase), f"cannot be boosted: {error.reason}", "spell it in the units") from None
        if units.unknown in tokens:
            raise DecodingError(repr(phrase), "cannot be boosted: no units spell it", "spell it in the units")
        symbols += [BOUNDARY, *(token for token in tokens if units.symbols[token] != WORD_START)]
    return [*symbols, BOUNDARY]


def phrase_spellings(phrase: str, units: Units) -> list[list[int]]:
    """The phrase in units as `phrase_symbols`; of phones, once for each way of saying it, up to `MOST_SPELLINGS`.

    Phones do not tell where a word ends, so that a boundary stands beside each of them; the lexicon and the language
    model tell apart phrases that sound the same.

    Raises:
        DecodingError: it cannot be spelled in the units.
    """
    if units.kind != "phones":
        return [phrase_symbols(phrase, units)]
    try:
        words = [units.pronunciations[word] for word in phrase.split()]
    except KeyError as error:
        raise DecodingError(
            repr(phrase), f"cannot be boosted: {error} has no pronunciation", "add it to the lexicon"
        ) from None
    spellings = []
    for said in islice(product(*words), MOST_SPELLINGS):
        tokens = units.ids_of_phones(" ".join(phone for word in said for phone in word))
        spellings.append([symbol for token in tokens for symbol in (BOUNDARY, token)] + [BOUNDARY])
    return spellings


class _Builder:
    """A trie of phrases that becomes an Aho-Corasick automaton."""

    def __init__(self) -> None:
        self.children: list[dict[int, int]] = [{}]
        self.credits = [0.0]
        self.completed = [0.0]
        self.child(OUTSIDE, BOUNDARY)

    def child(self, state: int, symbol: int) -> int:
        if symbol not in self.children[state]:
            self.children[state][symbol] = len(self.children)
            self.children.append({})
            self.credits.append(0.0)
            self.completed.append(0.0)
        return self.children[state][symbol]

    def add(self, symbols: list[int], boost: float) -> None:
        """Add a phrase: each of its units earns a share of the boost in advance, and the last boundary all of it."""
        size = sum(symbol != BOUNDARY for symbol in symbols)
        state, seen = OUTSIDE, 0
        for symbol in symbols:
            state = self.child(state, symbol)
            seen += symbol != BOUNDARY
            if seen > 0 and not (seen == size and symbol == BOUNDARY):
                self.credits[state] = max(self.credits[state], boost * seen / size)
        self.completed[state] += boost

    def arrays(self, units: Units) -> PhraseArrays:
        """Failure links breadth first, and along them credits, completed phrases and the bounds of the arcs."""
        order, failures = self._breadth_first()
        size = len(order)
        credits, completed = list(self.credits), list(self.completed)
        reach = [0.0] * size  # highest boost + credit of any state one symbol ahead
        after_boundary = [False] * size
        for state in order[1:]:
            credits[state] = max(credits[state], credits[failures[state]])
            completed[state] += completed[failures[state]]
        for state in order:
            reach[state] = reach[failures[state]]
            for symbol, child in self.children[state].items():
                reach[state] = max(reach[state], completed[child] + credits[child])
                after_boundary[child] = symbol == BOUNDARY
        # Only units such as BPE pieces read a boundary and letters at once.
        beyond = reach if any(map(units.starts_word, range(len(units)))) else credits
        through = [s if after_boundary[s] else self._follow(s, BOUNDARY, failures) for s in range(size)]
        bounds = [
            max(0.0, max(reach[state], completed[after] + beyond[after]) - credits[state])
            for state, after in enumerate(through)
        ]
        return self._tables(order, failures, through, np.exp(credits), np.exp(completed), np.exp(bounds), units)

    def _tables(
        self, order: list[int], failures: list[int], through: list[int], credits: NDArray[np.float64],
        prizes: NDArray[np.float64], bounds: NDArray[np.float64], units: Units,
    ) -> PhraseArrays:  # fmt: skip
        """Put everything into arrays; the three factors are (S,)."""
        arcs = {s * len(units) + symbol: t for s in order for symbol, t in self.children[s].items() if symbol}
        firsts, tokens, targets = lay_out(arcs, len(units), len(order))
        states = np.zeros(len(order) + 1, PHRASE_STATE)
        states["edges"] = firsts
        states["failure"][:-1], states["after_boundary"][:-1] = failures, through
        states["credit"][:-1], states["prize"][:-1], states["bound"][:-1] = credits, prizes, bounds
        silent = (" ", WORD_START)
        return PhraseArrays(
            True, states, tokens, targets,
            begins_word=np.array([units.starts_word(i) or units.symbols[i] in silent for i in range(len(units))]),
            has_letters=np.array([symbol not in silent for symbol in units.symbols]),
            start=self.children[OUTSIDE][BOUNDARY],
        )  # fmt: skip

    def _breadth_first(self) -> tuple[list[int], list[int]]:
        failures = [0] * len(self.children)
        queue = deque([OUTSIDE])
        order: list[int] = []
        while queue:
            state = queue.popleft()
            order.append(state)
            for symbol, child in self.children[state].items():
                if state != OUTSIDE:
                    failures[child] = self._follow(failures[state], symbol, failures)
                queue.append(child)
        return order, failures

    def _follow(self, state: int, symbol: int, failures: list[int]) -> int:
        while symbol not in self.children[state] and state != OUTSIDE:
            state = failures[state]
        return self.children[state].get(symbol, OUTSIDE)
