"""Running the compiled search: its workspace, blocks of any length, the readings at the end. T: frames, V: units."""

from __future__ import annotations

import logging
import threading
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.alignment import score_tokens
from asr.decoding.beam_finish import Snapshot, beam_nodes, common_ancestor, endings, restore, save
from asr.decoding.beam_kernel import advance, start
from asr.decoding.beam_workspace import Settings, Workspace, make_workspace
from asr.decoding.fusion import final_gain
from asr.decoding.fusion_setup import Knowledge
from asr.decoding.prefix_tree import NONE, ROOT, load_nodes, make_tree, trace
from asr.decoding.readings import Reading, lexicon_words
from asr.errors import DecodingError
from asr.units import Units

log = logging.getLogger("asr")
NEGLIGIBLE = 9.0  # natural log: a reading this far below the best has a share of one in ten thousand
FIRST_ROOM = 1 << 14  # prefixes; as much as stays in a core's cache


class BeamSearch:
    """The compiled search for one set of units, settings and knowledge; threads do not disturb each other."""

    def __init__(self, units: Units, settings: Settings, knowledge: Knowledge) -> None:
        self.units = units
        self.settings = settings
        self.knowledge = knowledge
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """Workspaces stay with their threads."""
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def begin(self) -> None:
        """Forget what this thread searched before, and start an utterance."""
        start(self._workspace(), self.knowledge.fusion)

    def run(self, log_probs: NDArray[np.floating], frames_before: int = 0) -> None:
        """Go on through a block.

        Args:
            log_probs: (T, V), checked.
            frames_before: frames of the utterance that came before, for the error.

        Raises:
            DecodingError: a frame leaves no prefix with a probability above 0.
        """
        block = np.require(log_probs, np.float32, ["C", "W"])  # one compiled version serves all callers
        frame = 0
        while True:
            frame = advance(self._workspace(), self.knowledge.fusion, self.settings, block, frame)
            if frame < 0:
                raise DecodingError(
                    f"frame {frames_before - frame - 1}", "leaves no reading with a probability above 0",
                    "check the log-probabilities, or widen the beam or the lexicon",
                )  # fmt: skip
            if frame == len(block):
                return
            self._tidy()

    def save(self) -> Snapshot:
        """Put the search aside."""
        return save(self._workspace())

    def restore(self, snapshot: Snapshot) -> None:
        """Go on with a search that was put aside."""
        needed = len(snapshot.nodes) + 2 * self.settings.beam
        workspace = self._workspace()
        if needed > len(workspace.tree.nodes):
            workspace = self._local.workspace = make_workspace(len(self.units), self.settings.beam, 2 * needed)
        restore(workspace, snapshot)

    def readings(self, log_probs: NDArray[np.floating], texts: int, rivals: int = 0) -> list[Reading]:
        """The best readings if the utterance ends here, best first; at least one.

        Args:
            log_probs: (T, V) of the whole utterance.
            texts: so many different texts, if there are as many.
            rivals: so many readings, if as many have a share worth mentioning of the probability.
        """
        scores, nodes, gains, words = endings(self._workspace(), self.knowledge.fusion)
        if not len(scores):
            return [self._nearest_word_end(log_probs)]
        found: list[Reading] = []
        different: set[str] = set()
        for index in np.argsort(-scores, kind="stable").tolist():
            worth = len(found) < rivals and scores[index] > found[0].score - NEGLIGIBLE if found else True
            if len(different) >= texts and not worth:
                break
            reading = self._reading(int(nodes[index]), float(scores[index]), float(gains[index]), int(words[index]))
            found.append(reading)
            different.add(reading.text)
        return found

    def stable_tokens(self, snapshot: Snapshot) -> list[int]:
        """Units that every reading begins with, whatever comes."""
        tree = make_tree(len(snapshot.nodes), len(self.units))
        load_nodes(tree, snapshot.nodes)
        tokens, _, _, _ = trace(tree, common_ancestor(snapshot.nodes, snapshot.beam))
        return [int(token) for token in tokens]

    def _workspace(self) -> Workspace:
        workspace: Workspace | None = getattr(self._local, "workspace", None)
        if workspace is None:
            room = max(FIRST_ROOM, 4 * self.settings.beam)
            workspace = self._local.workspace = make_workspace(len(self.units), self.settings.beam, room)
        return workspace

    def _tidy(self) -> None:
        """Drop the prefixes that lead nowhere any more; where that is not enough, make more room."""
        snapshot = save(self._workspace())
        room = len(self._workspace().tree.nodes)
        if 2 * (len(snapshot.nodes) + self.settings.beam) > room:
            self._local.workspace = make_workspace(len(self.units), self.settings.beam, 2 * room)
        restore(self._workspace(), snapshot)

    def _reading(self, node: int, score: float, last_gain: float, last_word: int) -> Reading:
        tokens, finished, variants, log_gain = trace(self._workspace().tree, node)
        ids = tokens.tolist()
        gain = float(log_gain) + last_gain
        names = self.knowledge.words
        if not names:
            return Reading(ids, self.units.decode(ids), score, gain)
        words = lexicon_words(ids, finished.tolist(), variants.tolist(), last_word, names, self.units)
        return Reading(ids, " ".join(word for word, _, _ in words), score, gain, words)

    def _nearest_word_end(self, log_probs: NDArray[np.floating]) -> Reading:
        """When the audio stops inside a word everywhere in the beam: the best reading without that last piece."""
        log.warning("an utterance ends inside a word in every reading of the beam; the piece is left out")
        workspace, fusion = self._workspace(), self.knowledge.fusion
        found: dict[int, Reading] = {}
        for leaf in beam_nodes(workspace).tolist():
            node, gain, word = leaf, 0.0, NONE
            while node != ROOT and gain == 0.0:
                node = int(workspace.tree.nodes[node]["parent"])
                gain, word = final_gain(fusion, workspace.tree, node, 1)
            if node not in found:
                reading = self._reading(node, 0.0, float(np.log(gain)), word)
                score = score_tokens(log_probs, reading.tokens) + reading.log_gain
                found[node] = replace(reading, score=score)
        return max(found.values(), key=lambda reading: reading.score)
