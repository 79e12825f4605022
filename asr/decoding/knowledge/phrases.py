"""Phrases that a user expects: each occurrence in a transcript earns a bonus; which ones fired is counted."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.phrase_automaton import BOUNDARY, OUTSIDE, PHRASE_EDGE, PHRASE_STATE, PhraseArrays
from asr.decoding.knowledge.prefixes import NONE
from asr.decoding.knowledge.spelling_graph import LAST, lay_out
from asr.errors import DecodingError, UnitsError
from asr.text_files import open_text
from asr.units import WORD_START, Units

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
        builder = _Builder()
        for phrase, boost in self.boosts.items():
            builder.add(phrase_symbols(phrase, units), boost)
        self.arrays = builder.arrays(units)

    def fired(self, text: str) -> Counter[str]:
        """How often each phrase occurs in a transcript; phrases that do not occur are left out."""
        words = text.split()
        counts: Counter[str] = Counter()
        by_length: dict[int, set[str]] = {}
        for phrase in self.boosts:
            by_length.setdefault(phrase.count(" ") + 1, set()).add(phrase)
        for length, phrases in by_length.items():
            spans = (" ".join(words[first : first + length]) for first in range(len(words) - length + 1))
            counts.update(span for span in spans if span in phrases)
        return counts

    def report(self, texts: Iterable[str]) -> dict[str, int]:
        """Occurrences of every phrase in all transcripts, most frequent first; those that never fired have 0."""
        total: Counter[str] = Counter(dict.fromkeys(self.boosts, 0))
        for text in texts:
            total.update(self.fired(text))
        return dict(total.most_common())


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
        arcs = [(s * len(units) + symbol, t) for s in order for symbol, t in self.children[s].items() if symbol]
        places, targets = np.array(arcs, np.int64).reshape(-1, 2).T
        own, spelled = lay_out(places, targets.astype(np.int32), len(units), len(order))
        states, edges = np.zeros(len(order), PHRASE_STATE), np.zeros(len(spelled), PHRASE_EDGE)
        for field in ("followers", "edges"):
            states[field] = own[field]
        states["failure"], states["after_boundary"] = failures, through
        states["credit"], states["refund"], states["prize"], states["bound"] = credits, 1.0 / credits, prizes, bounds
        states["movers"] = states["followers"]
        for state in order[1:]:  # what a state does not know, its longest suffix may
            states["movers"][state] |= states["movers"][failures[state]]
        edges["unit"], edges["target"], edges["credit"] = spelled["unit"], spelled["target"], credits[spelled["target"]]
        start = self.children[OUTSIDE][BOUNDARY]
        first = int(states["edges"][start])
        leaving = np.arange(first, first + sum(map(bool, self.children[start])))
        begins = np.full(len(units), NONE, np.int32)
        begins[edges["unit"][leaving] % LAST] = leaving
        silent = (" ", WORD_START)
        return PhraseArrays(
            states, edges, begins,
            begins_word=np.array([units.starts_word(i) or units.symbols[i] in silent for i in range(len(units))]),
            has_letters=np.array([symbol not in silent for symbol in units.symbols]),
            start=start,
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
