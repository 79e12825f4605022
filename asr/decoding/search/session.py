"""Running the compiled search: its workspace, blocks of any length, the readings at the end. T: frames, V: units."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import NO_SCORING
from asr.decoding.knowledge.prefixes import NONE, ROOT
from asr.decoding.knowledge.tables import Knowledge
from asr.decoding.knowledge.texts import NO_SEPARATOR
from asr.decoding.paths.alignment import score_tokens
from asr.decoding.paths.log_probs import check_log_probs, check_shape
from asr.decoding.results.readings import Reading, lexicon_words, ranked, readings_needed
from asr.decoding.search import entries as beam_entries
from asr.decoding.search.ending import Snapshot, common_ancestor
from asr.decoding.search.frame import NOT_NORMALISED
from asr.decoding.search.large_pages import in_large_pages
from asr.decoding.search.pinned import pinned, read_only
from asr.decoding.search.workspace import Search, Settings, Workspace, make_workspace
from asr.errors import DecodingError
from asr.units import Units

log = logging.getLogger("asr")
NEGLIGIBLE = 9.0  # natural log: a reading this far below the best has a share of one in ten thousand
NO_GROUPS = np.empty(0, np.int32)
INSIDE_A_WORD = "an utterance ends inside a word in every reading of the beam; the piece is left out"
FIRST_ROOM = 1 << 14  # prefixes; as much as stays in a core's cache


def no_prefix_left(frame: int) -> DecodingError:
    """The error of a search that a frame of an utterance leaves nothing to go on with."""
    reason, remedy = (
        "leaves no reading with a probability above 0",
        "check the log-probabilities, or widen the beam or the lexicon",
    )
    return DecodingError(f"frame {frame}", reason, remedy)


class Room:
    """A workspace of one thread, and the address under which compiled code finds it with everything else it needs."""

    def __init__(self, units: Units, settings: Settings, knowledge: Knowledge, nodes: int) -> None:
        fusion = knowledge.fusion
        ws = make_workspace(len(units), settings.beam, nodes, fusion.texts.by_pieces, fusion.scoring != NO_SCORING)
        self.ws: Workspace = in_large_pages(ws._replace(tree=in_large_pages(ws.tree)))
        # The arrays of the fusion are views of those that the knowledge keeps; both must live as long as the address.
        self.search = Search(self.ws, read_only(knowledge.fusion), settings)
        self.address, self.memory = pinned(self.search)


class BeamSearch:
    """The compiled search for one set of units, settings and knowledge; threads do not disturb each other."""

    def __init__(self, units: Units, settings: Settings, knowledge: Knowledge) -> None:
        self.units = units
        self.settings = settings
        self.knowledge = knowledge
        self._symbols = np.array(units.symbols, object)
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """Workspaces stay with their threads."""
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def best(self, log_probs: NDArray[np.floating]) -> Reading:
        """The best reading of a whole utterance.

        Args:
            log_probs: (T, V).

        Raises:
            DecodingError: wrong shape, NaN, rows that are not normalised, or a frame without a possible prefix.
        """
        block = self._block(log_probs)
        room = self._room()
        frame, why = beam_entries.advance(room.address, block, 0, True)
        if frame < len(block):
            self._go_on(block, frame, why, 0)
            room = self._room()
            beam_entries.find_best(room.address)
        length, node, last_word = room.ws.counts.tolist()
        if length == NONE:
            return self._nearest_word_end(log_probs)
        score, last_gain, log_gain, lm_score = room.ws.figures.tolist()
        if self.knowledge.words:
            return self._reading(node, score, last_gain, last_word)
        tokens = room.ws.reading[:length].tolist()
        return Reading(tokens, self.units.decode(tokens), score, log_gain, lm_score)

    def begin(self) -> None:
        """Forget what this thread searched before, and start an utterance."""
        beam_entries.begin(self._room().address)

    def run(self, log_probs: NDArray[np.floating], frames_before: int = 0) -> None:
        """Go on through a block.

        Args:
            log_probs: (T, V).
            frames_before: frames of the utterance that came before, for the error.

        Raises:
            DecodingError: as `best`.
        """
        self._go_on(self._block(log_probs), 0, 0, frames_before)

    def save(self) -> Snapshot:
        """Put the search aside."""
        return Snapshot(*beam_entries.save(self._room().address))

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with a search that was put aside."""
        needed = len(snapshot.nodes) + 2 * self.settings.beam
        if needed > len(self._room().ws.tree.nodes):
            self._enlarge(2 * needed)
        beam_entries.restore(self._room().address, *snapshot)

    def readings(self, log_probs: NDArray[np.floating], texts: int, rivals: int = 0) -> list[Reading]:
        """The best readings if the utterance ends here, best first; at least one.

        Args:
            log_probs: (T, V) of the whole utterance.
            texts: so many different texts, if there are as many.
            rivals: so many readings, if as many have a share worth mentioning of the probability.
        """
        scores, nodes, gains, words, groups = beam_entries.endings(self._room().address)
        if not len(scores):
            return [self._nearest_word_end(log_probs)]
        spelled = self.knowledge.fusion.texts
        order, sums = ranked(scores, groups if spelled.by_pieces or spelled.separator != NO_SEPARATOR else NO_GROUPS)
        worth = min(rivals, int(np.searchsorted(-sums, NEGLIGIBLE - sums[0])))
        enough = max(texts, worth)
        found = self._readings(nodes[order[:enough]], sums[:enough], gains[order[:enough]], words[order[:enough]])
        if enough < len(order) and len({reading.text for reading in found}) < texts:
            rest = order[enough:]
            found += self._readings(nodes[rest], sums[enough:], gains[rest], words[rest])
        return found[: readings_needed(found, texts, worth)]

    def stable_tokens(self, snapshot: Snapshot) -> list[int]:
        """Units that every reading begins with, whatever comes."""
        node = int(common_ancestor(snapshot.nodes, snapshot.beam))
        tokens: list[int] = []
        while node != ROOT:
            tokens.append(int(snapshot.nodes[node]["token"]))
            node = int(snapshot.nodes[node]["parent"])
        return tokens[::-1]

    def _block(self, log_probs: NDArray[np.floating]) -> NDArray[np.float32]:
        """The log-probabilities in the one form that is compiled for."""
        check_shape(log_probs, len(self.units))
        if log_probs.dtype == np.float32 and log_probs.flags.carray:
            return log_probs
        return np.require(log_probs, np.float32, ["C", "W", "A"])

    def _go_on(self, block: NDArray[np.float32], frame: int, why: int, frames_before: int) -> None:
        """Search from a frame to the end of a block, with room made when it runs out."""
        while True:
            if why == NOT_NORMALISED:
                check_log_probs(block, len(self.units))
            if why:
                raise no_prefix_left(frames_before + frame)
            room = self._room()
            if room.ws.tree.size[0] + self.settings.beam > len(room.ws.tree.nodes):
                self._tidy()
            frame, why = beam_entries.advance(self._room().address, block, frame, False)
            if frame == len(block):
                return

    def _room(self) -> Room:
        try:
            room: Room = self._local.room
        except AttributeError:
            room = self._enlarge(max(FIRST_ROOM, 4 * self.settings.beam))
        return room

    def _enlarge(self, nodes: int) -> Room:
        self._local.room = room = Room(self.units, self.settings, self.knowledge, nodes)
        return room

    def _tidy(self) -> None:
        """Drop the prefixes that lead nowhere any more; where that is not enough, make more room."""
        snapshot = self.save()
        nodes = len(self._room().ws.tree.nodes)
        if 2 * (len(snapshot.nodes) + self.settings.beam) > nodes:
            self._enlarge(2 * nodes)
        beam_entries.restore(self._room().address, *snapshot)

    def _readings(
        self, nodes: NDArray[np.int32], scores: NDArray[np.float64], last_gains: NDArray[np.float64],
        last_words: NDArray[np.int32],
    ) -> list[Reading]:  # fmt: skip
        """Read prefixes; `last_gains` and `last_words` are those of ending there."""
        traced = beam_entries.trace(self._room().address, nodes, last_words)
        tokens, symbols = traced.tokens.tolist(), self._symbols[traced.tokens].tolist()
        gains = (traced.log_gains + last_gains).tolist()
        ends, names = traced.ends.tolist(), self.knowledge.words
        spans = pairwise([0, *ends])
        found = []
        for (first, end), score, gain, lm_score, last in zip(
            spans, scores.tolist(), gains, traced.lm_scores.tolist(), last_words.tolist(), strict=True
        ):
            ids = tokens[first:end]
            if names:
                finished, variants = traced.words[first:end].tolist(), traced.variants[first:end].tolist()
                words = lexicon_words(ids, finished, variants, last, names, self.units)
                text = " ".join(word for word, _, _ in words)
                found.append(Reading(ids, text, score, gain, lm_score, words))
            else:
                found.append(Reading(ids, self.units.join(symbols[first:end]), score, gain, lm_score))
        return found

    def _reading(self, node: int, score: float, last_gain: float, last_word: int) -> Reading:
        """As `_readings`, of one."""
        ints = np.array([[node], [last_word]], np.int32)
        floats = np.array([[score], [last_gain]])
        return self._readings(ints[0], floats[0], floats[1], ints[1])[0]

    def _nearest_word_end(self, log_probs: NDArray[np.floating]) -> Reading:
        """When the audio stops inside a word everywhere in the beam: the best reading without that last piece."""
        log.warning(INSIDE_A_WORD)
        room = self._room()
        found: dict[int, Reading] = {}
        for leaf in room.ws.beam["node"][: room.ws.width[0]].tolist():
            node, gain, word = leaf, 0.0, NONE
            while node != ROOT and gain == 0.0:
                node = int(room.ws.tree.nodes[node]["parent"])
                gain, word = beam_entries.ending(room.address, node)
            if node not in found:
                reading = self._reading(node, 0.0, float(np.log(gain)), word)
                score = score_tokens(log_probs, reading.tokens) + reading.log_gain
                found[node] = replace(reading, score=score)
        return max(found.values(), key=lambda reading: reading.score)
