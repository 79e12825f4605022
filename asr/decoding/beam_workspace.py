"""What the compiled beam search writes to. B: beam width, C: room for candidates, V: units."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.prefix_tree import PrefixTree, make_tree

ENTRY = np.dtype(
    [
        ("blank", np.float64),  # probability of the paths that end in a blank
        ("label", np.float64),  # probability of the paths that end in the last unit
        ("next_blank", np.float64),  # the same after this frame, for the unchanged prefix
        ("next_label", np.float64),
        ("node", np.int32),
        ("parent", np.int32),  # of the node, and its last unit: kept here to spare the loops the way to the node
        ("token", np.int32),
    ],
    align=True,
)
CANDIDATE = np.dtype(
    [("gain", np.float64), ("parent", np.int32), ("token", np.int32), ("variant", np.int32)], align=True
)


class Settings(NamedTuple):
    """Pruning."""

    beam: int
    token_threshold: float  # natural log
    beam_ratio: float  # linear: a prefix below best * beam_ratio is dropped


class Workspace(NamedTuple):
    """Everything the search writes to; reused from utterance to utterance."""

    tree: PrefixTree
    beam: NDArray[np.void]  # (B,) ENTRY
    candidates: NDArray[np.void]  # (C,) CANDIDATE: the prefixes that a frame adds
    scores: NDArray[np.float64]  # (B + C,) of the prefixes that stay, then of the candidates
    scratch: NDArray[np.float64]  # (B + C,)
    tokens: NDArray[np.int32]  # (V,) the units tried in this frame, most probable first
    probs: NDArray[np.float64]  # (V,) of the unit, valid when its stamp is this frame's
    positions: NDArray[np.int32]  # (V,) place among `tokens`, or NONE
    stamps: NDArray[np.int64]  # (V,)
    taken: NDArray[np.int64]  # (B, V) stamp of the frame in which entry b's child by the k-th unit was in the beam
    clock: NDArray[np.int64]  # (1,) frames since the workspace was made: the stamp
    width: NDArray[np.int64]  # (1,) entries in the beam
    log_scale: NDArray[np.float64]  # (1,) natural log of all that was divided out


def make_workspace(units: int, beam: int, nodes: int) -> Workspace:
    """Room for a search.

    Args:
        units: V.
        beam: B.
        nodes: prefixes that fit before the search has to stop and tidy up.
    """
    candidates = 3 * beam + 256
    return Workspace(
        tree=make_tree(nodes, units), beam=np.zeros(beam, ENTRY), candidates=np.zeros(candidates, CANDIDATE),
        scores=np.zeros(beam + candidates), scratch=np.zeros(beam + candidates),
        tokens=np.zeros(units, np.int32), probs=np.zeros(units), positions=np.zeros(units, np.int32),
        stamps=np.zeros(units, np.int64), taken=np.zeros((beam, units), np.int64), clock=np.zeros(1, np.int64),
        width=np.zeros(1, np.int64), log_scale=np.zeros(1),
    )  # fmt: skip
