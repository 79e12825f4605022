"""The beam search where nothing can be compiled: the same results as `BeamSearch`, a hundred times slower.

T: frames, V: units.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from asr.decoding.beam_reference import Prefix, ReferenceSearch
from asr.decoding.paths.alignment import score_tokens
from asr.decoding.paths.log_probs import check_log_probs
from asr.decoding.reference_knowledge import IMPOSSIBLE, Context, ReferenceKnowledge
from asr.decoding.results.readings import Reading, readings_needed
from asr.decoding.search.session import INSIDE_A_WORD, NEGLIGIBLE, no_prefix_left
from asr.decoding.search.workspace import Settings

log = logging.getLogger("asr")


@dataclass(frozen=True)
class PlainSnapshot:
    """A search that has been put aside: its beam, and what is known of each prefix that leads there."""

    beam: dict[Prefix, tuple[float, float]]
    contexts: dict[Prefix, Context]
    gains: dict[Prefix, float]
    ended: dict[Prefix, str | None]


class PlainSearch:
    """`BeamSearch` in plain Python; threads do not disturb each other."""

    def __init__(self, knowledge: ReferenceKnowledge, settings: Settings) -> None:
        self.knowledge, self.settings = knowledge, settings
        self._local = threading.local()

    def __getstate__(self) -> dict[str, Any]:
        """Searches under way stay with their threads."""
        return {key: value for key, value in self.__dict__.items() if key != "_local"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._local = threading.local()

    def best(self, log_probs: NDArray[np.floating]) -> Reading:
        """See `BeamSearch.best`."""
        self.begin()
        self.run(log_probs)
        return self.readings(log_probs, 1)[0]

    def begin(self) -> None:
        """Forget what this thread searched before, and start an utterance."""
        _warn_of_slowness()
        self._local.search = ReferenceSearch(self.knowledge, self.settings)
        self._local.search.begin()

    def run(self, log_probs: NDArray[np.floating], frames_before: int = 0) -> None:
        """See `BeamSearch.run`."""
        check_log_probs(log_probs, len(self.knowledge.units))
        search = self._search()
        for frame, row in enumerate(log_probs.astype(np.float32)):  # as precise as the compiled search
            search.run(row[None])
            if not search.beam:
                raise no_prefix_left(frames_before + frame)

    def save(self) -> PlainSnapshot:
        """Put the search aside, without the prefixes that lead nowhere."""
        search = self._search()
        kept = {prefix[:end] for prefix in search.beam for end in range(len(prefix) + 1)}
        return PlainSnapshot(
            dict(search.beam),
            {prefix: search.contexts[prefix] for prefix in kept},
            {prefix: search.gains[prefix] for prefix in kept},
            {prefix: search.ended[prefix] for prefix in kept},
        )

    def restore(self, snapshot: PlainSnapshot) -> None:
        """Go on with a search that was put aside."""
        self._local.search = search = ReferenceSearch(self.knowledge, self.settings)
        search.beam, search.contexts = dict(snapshot.beam), dict(snapshot.contexts)
        search.gains, search.ended = dict(snapshot.gains), dict(snapshot.ended)

    def readings(self, log_probs: NDArray[np.floating], texts: int, rivals: int = 0) -> list[Reading]:
        """See `BeamSearch.readings`."""
        search = self._search()
        found = [reading for reading in search.readings() if reading.score > IMPOSSIBLE]
        if not found:
            return [self._nearest_word_end(log_probs)]
        worth = sum(reading.score > found[0].score - NEGLIGIBLE for reading in found)
        return found[: readings_needed(found, texts, min(rivals, worth))]

    def stable_tokens(self, snapshot: PlainSnapshot) -> list[int]:
        """Units that every reading begins with, whatever comes."""
        shared: list[int] = []
        for arcs in zip(*snapshot.beam, strict=False):
            if len(set(arcs)) > 1:
                break
            shared.append(arcs[0][0])
        return shared

    def _search(self) -> ReferenceSearch:
        if not hasattr(self._local, "search"):
            self.begin()
        search: ReferenceSearch = self._local.search
        return search

    def _nearest_word_end(self, log_probs: NDArray[np.floating]) -> Reading:
        """See `BeamSearch`."""
        log.warning(INSIDE_A_WORD)
        search = self._search()
        found: dict[Prefix, Reading] = {}
        for leaf in search.beam:
            prefix: Prefix = leaf
            ways: list[tuple[float, str | None]] = []
            while prefix and not ways:
                prefix = prefix[:-1]
                ways = [way for way in search.endings(prefix) if way[0] > IMPOSSIBLE]
            gain, last = max(ways, key=lambda way: way[0])
            reading = search.reading(prefix, 0.0, gain, last)
            reading.score = score_tokens(log_probs, reading.tokens) + reading.log_gain
            found[prefix] = reading
        return max(found.values(), key=lambda reading: reading.score)


@cache
def _warn_of_slowness() -> None:
    log.warning("numba is told not to compile (NUMBA_DISABLE_JIT): the beam search runs in plain Python, far slower")
