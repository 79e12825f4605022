"""Recognising nothing but given phrases: the best path through a tree of them. T: frames, V: units, N: nodes.

A recording holds any number of the phrases, one after the other with at least one blank between two (and a space, where
the units have one), or none. The tree shares what phrases begin with. Each node has two states, its unit and the blank
after it, as in the alignment of one text (`paths.alignment`); the best path is exact: nothing is pruned.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from asr.decoding.paths.alignment import place_tokens
from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.paths.spelling import spell
from asr.decoding.results.hypothesis import Hypothesis, Word
from asr.errors import DecodingError
from asr.text_files import open_text
from asr.units import BLANK, Units

ROOT, NONE = 0, -1
STAY, FROM_BLANK, FROM_UNIT, FROM_END = range(4)  # where a state's best path comes from
MOST_BYTES = 2**30


class GrammarDecoder:
    """Decodes to sequences of phrases.

    Args:
        phrases: that alone are allowed, words separated by white space.
        units: of the acoustic model.
        seconds_per_frame: of its output.

    Raises:
        UnitsError: words of a phrase cannot be spelled.
        DecodingError: there are no phrases.
    """

    def __init__(self, phrases: Sequence[str], units: Units, seconds_per_frame: float) -> None:
        self.phrases = list(dict.fromkeys(" ".join(phrase.split()) for phrase in phrases if phrase.split()))
        if not self.phrases:
            raise DecodingError("grammar", "has no phrases", "write one a line")
        self.units = units
        self.seconds_per_frame = seconds_per_frame
        self._words = [[spell(word, units, repr(phrase)) for word in phrase.split()] for phrase in self.phrases]
        self._build()

    def _build(self) -> None:
        """The tree: parent and unit of each node (N,), and which phrase ends in it.

        Node 0 is before all phrases; the space between two phrases, where there is one, is a node of its own.
        """
        parent, unit = [ROOT], [BLANK]
        self.space_node = NONE
        if self.units.space is not None:
            self.space_node = 1
            parent.append(ROOT)
            unit.append(self.units.space)
        children: dict[tuple[int, int], int] = {}
        ends: dict[int, int] = {}
        for number, words in enumerate(self._words):
            node = ROOT
            for token in self._tokens(words):
                if (node, token) not in children:
                    children[node, token] = len(parent)
                    parent.append(node)
                    unit.append(token)
                node = children[node, token]
            ends.setdefault(node, number)  # of two phrases that are spelled alike the first
        self.parent, self.unit = np.array(parent), np.array(unit)
        self.end_nodes, self.end_phrases = np.array(list(ends)), list(ends.values())
        self.repeats = self.unit == self.unit[self.parent]  # a blank must stand between a unit and the same one
        self.begins = self.parent == ROOT
        self.begins[: self.space_node + 1 if self.space_node != NONE else 1] = False

    def _tokens(self, words: Sequence[Sequence[int]]) -> list[int]:
        """The units of a phrase, or of several one after the other."""
        tokens: list[int] = []
        for word in words:
            if tokens and self.units.space is not None:
                tokens.append(self.units.space)
            tokens += word
        return tokens

    def decode(self, log_probs: NDArray[np.floating]) -> list[Hypothesis]:
        """The most probable sequence of phrases; one hypothesis, whose text is "" where none of them was said.

        Args:
            log_probs: (T, V) natural-log probabilities.

        Raises:
            DecodingError: wrong shape, NaN, rows that are not normalised, or too much audio for so many phrases.
        """
        check_log_probs(log_probs, len(self.units), "log-probabilities")
        if 2 * len(log_probs) * len(self.parent) > MOST_BYTES:
            reason = f"is too long for {len(self.phrases)} phrases"
            raise DecodingError("audio", reason, "cut it at pauses, or allow fewer phrases")
        said, score = self._best_phrases(np.asarray(log_probs, np.float64))
        words = [word for phrase in said for word in self._words[phrase]]
        tokens = self._tokens(words)
        text = " ".join(self.phrases[phrase] for phrase in said)
        return [Hypothesis(text, score, self._timed(log_probs, text.split(), words, tokens), tokens, score)]

    def _best_phrases(self, log_probs: NDArray[np.float64]) -> tuple[list[int], float]:
        """Phrases of the best path, and its natural-log probability."""
        nodes, frames = len(self.parent), len(log_probs)
        every = np.arange(nodes)
        unit, blank = np.full(nodes, -np.inf), np.full(nodes, -np.inf)
        blank[ROOT] = 0.0  # before the first frame
        back = np.zeros((frames, 2, nodes), np.uint8)
        exits = np.zeros((frames, 2), np.int32)  # place of the phrase that may end here; whether in its unit
        for t, row in enumerate(log_probs):
            came = np.full((4, nodes), -np.inf)
            came[STAY] = unit
            came[FROM_BLANK] = blank[self.parent]
            came[FROM_UNIT] = np.where(self.repeats, -np.inf, unit[self.parent])
            for node in (ROOT, self.space_node):
                if node != NONE:
                    came[FROM_BLANK : FROM_UNIT + 1, node] = -np.inf
            ended, exits[t] = self._exit(unit, blank)
            if self.space_node == NONE:
                came[FROM_END, self.begins] = ended
            else:
                came[FROM_END, self.space_node] = ended
                came[FROM_END, self.begins] = max(blank[self.space_node], unit[self.space_node])
                exits[t, 1] += 2 * (unit[self.space_node] > blank[self.space_node])
            best = came.argmax(axis=0)
            held = np.stack([blank, unit])
            back[t, 0], back[t, 1] = best, held.argmax(axis=0)
            unit = came[best, every] + row[self.unit]
            blank = held.max(axis=0) + row[BLANK]
        return self._trace(unit, blank, back, exits)

    def _exit(self, unit: NDArray[np.float64], blank: NDArray[np.float64]) -> tuple[float, tuple[int, int]]:
        """The best end of a phrase, its place among the ends, and whether it is in the unit and not the blank after."""
        in_unit, in_blank = unit[self.end_nodes], blank[self.end_nodes]
        if self.space_node == NONE:  # a blank must follow, which tells the phrases apart
            in_unit = np.full_like(in_unit, -np.inf)
        place = int(np.maximum(in_unit, in_blank).argmax())
        return float(max(in_unit[place], in_blank[place])), (place, int(in_unit[place] > in_blank[place]))

    def _trace(
        self, unit: NDArray[np.float64], blank: NDArray[np.float64], back: NDArray[np.uint8], exits: NDArray[np.int32]
    ) -> tuple[list[int], float]:
        """Follow the best path from its end; what a frame notes leads to the state of the frame before."""
        finals = np.concatenate([unit[self.end_nodes], blank[self.end_nodes], blank[[ROOT]]])
        best, count = int(finals.argmax()), len(self.end_nodes)
        if best == 2 * count:
            return [], float(finals[best])
        node, in_unit = int(self.end_nodes[best % count]), best < count
        said = [self.end_phrases[best % count]]
        for t in range(len(back) - 1, -1, -1):
            step = int(back[t, 0 if in_unit else 1, node])
            if not in_unit:
                in_unit = step == 1
            elif step == FROM_END and node != self.space_node and self.space_node != NONE:
                node, in_unit = self.space_node, bool(exits[t, 1] & 2)
            elif step == FROM_END:
                node, in_unit = int(self.end_nodes[exits[t, 0]]), bool(exits[t, 1] & 1)
                said.append(self.end_phrases[exits[t, 0]])
            elif step != STAY:
                node, in_unit = int(self.parent[node]), step == FROM_UNIT
        return said[::-1], float(finals[best])

    def _timed(
        self, log_probs: NDArray[np.floating], names: Sequence[str], words: Sequence[Sequence[int]], tokens: list[int]
    ) -> list[Word]:
        """The words with seconds; their confidence is the geometric mean of their units' highest probabilities."""
        if not tokens:
            return []
        frames, peaks, _ = place_tokens(log_probs, tokens)
        between = int(self.units.space is not None)
        timed, first = [], 0
        for name, word in zip(names, words, strict=True):
            last = first + len(word)
            start, end = frames[first, 0] * self.seconds_per_frame, frames[last - 1, 1] * self.seconds_per_frame
            confidence = min(1.0, float(np.exp(peaks[first:last].mean())))
            timed.append(Word(name, float(start), float(end), confidence))
            first = last + between
        return timed


def read_grammar(path: str | Path) -> list[str]:
    """Read a file with a phrase a line; empty lines and lines from '#' are skipped.

    Raises:
        DecodingError: unreadable file, or no phrase at all.
    """
    try:
        with open_text(path) as stream:
            phrases = [" ".join(line.split()) for line in stream if line.strip() and not line.startswith("#")]
    except (OSError, UnicodeDecodeError) as error:
        raise DecodingError(path, f"cannot be read ({error})", "give a UTF-8 text file of phrases") from None
    if not phrases:
        raise DecodingError(path, "has no phrases", "write one phrase a line")
    return phrases
