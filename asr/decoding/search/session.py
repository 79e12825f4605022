"""Running the compiled search: its state, blocks of any length, the readings at the end. T: frames, V: units."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import root
from asr.decoding.knowledge.prefixes import ROOT
from asr.decoding.knowledge.tables import Knowledge
from asr.decoding.knowledge.texts import NO_SEPARATOR
from asr.decoding.paths.alignment import score_tokens
from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.results.readings import Reading, lexicon_words, ranked, readings_needed
from asr.decoding.search import tree
from asr.decoding.search.ending import endings, group_by_text
from asr.decoding.search.frame import advance
from asr.decoding.search.state import Settings, State, make_state
from asr.decoding.search.tree import Snapshot
from asr.errors import DecodingError
from asr.units import Units

log = logging.getLogger("asr")
NEGLIGIBLE = 9.0  # natural log: a reading this far below the best has a share of one in ten thousand
FIRST_ROOM = 1 << 13  # prefixes; as much as stays in a core's cache


class BeamSearch:
    """The search for one set of units, settings and knowledge; threads do not disturb each other."""

    def __init__(self, units: Units, settings: Settings, knowledge: Knowledge) -> None:
        self.units = units
        self.settings = settings
        self.knowledge = knowledge
        self._begin = tree.begin(root(knowledge.fusion))
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """States stay with their threads."""
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def begin(self) -> None:
        """Forget what this thread searched before, and start an utterance."""
        tree.restore(self._state(), *self._begin)

    def run(self, log_probs: NDArray[np.floating], frames_before: int = 0) -> None:
        """Go on through a block.

        Args:
            log_probs: (T, V).
            frames_before: frames of the utterance that came before, for the error.

        Raises:
            DecodingError: wrong shape, NaN, rows that are not normalised, or a frame without a possible prefix.
        """
        check_log_probs(log_probs, len(self.units))
        block = np.require(log_probs, np.float32, ["C", "W", "A"])  # the one form that is compiled for
        frame, why = 0, 0
        while frame < len(block):
            state = self._state()
            if state.size[0] + self.settings.beam > len(state.nodes):
                self._tidy()
            frame, why = advance(self._state(), self.settings, block, frame, *self.knowledge.fusion)
            if why:
                reason = "leaves no reading with a probability above 0"
                remedy = "check the log-probabilities, or widen the beam or the lexicon"
                raise DecodingError(f"frame {frames_before + frame}", reason, remedy)

    def save(self) -> Snapshot:
        """Put the search aside."""
        return Snapshot(*tree.save(self._state()))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with a search that was put aside."""
        needed = len(snapshot.nodes) + 2 * self.settings.beam
        if needed > len(self._state().nodes):
            self._enlarge(2 * needed)
        tree.restore(self._state(), *snapshot)

    def readings(self, log_probs: NDArray[np.floating], texts: int, rivals: int = 0) -> list[Reading]:
        """The best readings if the utterance ends here, best first; at least one.

        Args:
            log_probs: (T, V) of the whole utterance.
            texts: so many different texts, if there are as many.
            rivals: so many readings, if as many have a share worth mentioning of the probability.
        """
        state, fusion = self._state(), self.knowledge.fusion
        width = int(state.width[0])
        beam = state.beam[:width]
        slots, gains, words = endings(state, beam, fusion.phrases, fusion.unit_model, fusion.word_model)
        if not len(slots):
            return [self._nearest_word_end(log_probs)]
        with np.errstate(divide="ignore"):
            masses = np.log(state.blank[:width] + state.label[:width]) + state.log_scale[0]
        groups = np.arange(len(slots))
        if fusion.texts.by_pieces or fusion.texts.separator != NO_SEPARATOR:
            group_by_text(state, fusion.texts)
            groups = state.groups[slots]
        order, sums = ranked(masses[slots] + gains, groups)
        worth = min(rivals, int(np.searchsorted(-sums, NEGLIGIBLE - sums[0])))
        found: list[Reading] = []
        for place, score in zip(order, sums.tolist(), strict=True):
            found.append(self._reading(int(beam[slots[place]]), score, float(gains[place]), int(words[place])))
            if readings_needed(found, texts, worth) < len(found):
                found.pop()
                break
        return found

    def stable_tokens(self, snapshot: Snapshot) -> list[int]:
        """Units that every reading begins with, whatever comes."""
        return tree.stable_tokens(snapshot)

    def _state(self) -> State:
        try:
            state: State = self._local.state
        except AttributeError:
            state = self._enlarge(max(FIRST_ROOM, 4 * self.settings.beam))
        return state

    def _enlarge(self, nodes: int) -> State:
        self._local.state = state = make_state(len(self.units), self.settings.beam, nodes)
        return state

    def _tidy(self) -> None:
        """Drop the prefixes that lead nowhere any more; where that is not enough, make more room."""
        snapshot = self.save()
        nodes = len(self._state().nodes)
        if 2 * (len(snapshot.nodes) + self.settings.beam) > nodes:
            self._enlarge(2 * nodes)
        tree.restore(self._state(), *snapshot)

    def _reading(self, node: int, score: float, last_gain: float, last_word: int) -> Reading:
        """Read a prefix that ends with this log-factor and lexicon word."""
        tokens, words, variants, log_gain = tree.trace(self._state().nodes, node)
        ids = tokens.tolist()
        if not self.knowledge.words:
            return Reading(ids, self.units.decode(ids), score, log_gain + last_gain)
        spans = lexicon_words(ids, words.tolist(), variants.tolist(), last_word, self.knowledge.words, self.units)
        return Reading(ids, " ".join(word for word, _, _ in spans), score, log_gain + last_gain, spans)

    def _nearest_word_end(self, log_probs: NDArray[np.floating]) -> Reading:
        """When the audio stops inside a word everywhere in the beam: the best reading without that last piece."""
        log.warning("an utterance ends inside a word in every reading of the beam; the piece is left out")
        state, fusion = self._state(), self.knowledge.fusion
        found: dict[int, Reading] = {}
        for leaf in state.beam[: state.width[0]].tolist():
            node, gains = leaf, np.empty(0)
            while node != ROOT and not len(gains):
                node = int(state.nodes[node]["parent"])
                _, gains, words = endings(
                    state, np.array([node], np.int32), fusion.phrases, fusion.unit_model, fusion.word_model
                )
            if node not in found:
                best = int(np.argmax(gains))
                reading = self._reading(node, 0.0, float(gains[best]), int(words[best]))
                reading.score = score_tokens(log_probs, reading.tokens) + reading.log_gain
                found[node] = reading
        return max(found.values(), key=lambda reading: reading.score)
