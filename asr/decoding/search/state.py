"""What the beam search writes to. B: beam width, C: room for candidates, N: room for prefixes, V: units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.prefixes import NODE
from asr.kernels.hashing import table_size

MOST_CANDIDATES = 1 << 18


class Settings(NamedTuple):
    """Pruning; see `pruning.rank` for the discount."""

    beam: int
    token_threshold: float  # natural log
    beam_ratio: float  # linear: a prefix below best * beam_ratio is dropped
    discount: float  # factor, when the beam is full, on a prefix that has the same future as a better one


class State(NamedTuple):
    """The prefixes met so far, those in the beam, and room for one frame's work; reused from utterance to utterance."""

    nodes: NDArray[np.void]  # (N,) NODE: every prefix that was in the beam, parents before children
    child_keys: NDArray[np.uint64]  # hash table of arcs, see `tree`
    children: NDArray[np.int32]  # the node that each of them leads to
    size: NDArray[np.int64]  # (1,) nodes in use
    beam: NDArray[np.int32]  # (B,) the node of each prefix in the beam
    blank: NDArray[np.float64]  # (B,) probability of its paths that end in a blank
    label: NDArray[np.float64]  # (B,) probability of those that end in its last unit
    width: NDArray[np.int64]  # (1,) prefixes in the beam
    log_scale: NDArray[np.float64]  # (1,) natural log of all that was divided out of these probabilities
    next_blank: NDArray[np.float64]  # (B,) the same after this frame, for the prefix as it is
    next_label: NDArray[np.float64]  # (B,)
    candidates: NDArray[np.void]  # (C,) NODE: the prefixes that this frame adds to the beam
    known: NDArray[np.int32]  # (C,) the node of a candidate that was in the beam before, or NONE
    shares: NDArray[np.float64]  # (C,) probability of the spelling that stands for its text, see `extension.share`
    keys: NDArray[np.uint64]  # (C,) what tells the text
    scores: NDArray[np.float64]  # (B + C,) of the prefixes that stay, then of the candidates
    ranks: NDArray[np.float64]  # (B + C,) the same, some of them discounted
    futures: NDArray[np.uint64]  # (B,) see `pruning.future_of`
    scratch: NDArray[np.float64]  # (B + C,)
    groups: NDArray[np.int64]  # (B + C,) place in the table of what a prefix's future, or its text, is
    table_keys: NDArray[np.uint64]  # (H,) hash table of futures or texts
    table_best: NDArray[np.float64]  # (H,) the highest score of each future
    table_owner: NDArray[np.int64]  # (H,) the prefix that stands for each text, counted as in `scores`
    tokens: NDArray[np.int32]  # (V,) the units tried in this frame
    probs: NDArray[np.float64]  # (V,) their probabilities, by unit


def make_state(units: int, beam: int, nodes: int) -> State:
    """Room for a search; what is not written to takes no memory.

    Args:
        units: V.
        beam: B.
        nodes: prefixes that fit before the search has to stop and tidy up.
    """
    room = max(2 * beam, min(beam * units, MOST_CANDIDATES))
    both = beam + room
    places = table_size(nodes)
    scratch = table_size(both)
    return State(
        nodes=np.zeros(nodes, NODE), child_keys=np.zeros(places, np.uint64), children=np.zeros(places, np.int32),
        size=np.zeros(1, np.int64), beam=np.zeros(beam, np.int32), blank=np.zeros(beam), label=np.zeros(beam),
        width=np.zeros(1, np.int64), log_scale=np.zeros(1), next_blank=np.zeros(beam), next_label=np.zeros(beam),
        candidates=np.zeros(room, NODE), known=np.zeros(room, np.int32), shares=np.zeros(room),
        keys=np.zeros(room, np.uint64), scores=np.zeros(both), ranks=np.zeros(both), scratch=np.zeros(both),
        futures=np.zeros(beam, np.uint64),
        groups=np.zeros(both, np.int64), table_keys=np.zeros(scratch, np.uint64), table_best=np.zeros(scratch),
        table_owner=np.zeros(scratch, np.int64), tokens=np.zeros(units, np.int32), probs=np.zeros(units),
    )  # fmt: skip
