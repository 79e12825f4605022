"""What the compiled beam search writes to. B: beam width, C: room for candidates, V: units, T: frames."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from asr.decoding.knowledge.factors import Fusion
from asr.decoding.knowledge.prefixes import NONE, PrefixTree, make_tree
from asr.decoding.search.frame_vectors import SOME
from asr.decoding.search.pruning import BINS
from asr.kernels.hashing import table_size

ENTRY = np.dtype(
    [
        ("future", np.uint64),  # equal for prefixes that the same frames to come will treat alike
        ("text", np.uint64),  # see `same_text`; 0 unless spellings are looked for
        ("gain", np.float64),  # of the node, as are the next ones: kept here to spare the loops the way to the node
        ("inside", np.float64),  # bound of the factors of arcs from here, see `fusion.inner_bound`
        ("guess", np.float64),  # the same of arcs that end a word, quick to tell
        ("ending", np.float64),  # and once it has been looked up; below 0 before
        ("parent", np.int32),
        ("token", np.uint32),  # what is never negative is without a sign, so that it can be an index as it is
        ("variant", np.uint32),
        ("node", np.uint32),
    ],
    align=True,
)
CANDIDATE = np.dtype(
    [
        ("gain", np.float64),
        ("share", np.float64),  # probability of the spelling that stands for its text, and what tells the text
        ("text", np.uint64),
        ("key", np.uint64),
        ("parent", np.uint32),
        ("source", np.uint32),  # place of the parent in the beam
        ("position", np.uint32),  # of the unit among those tried
        ("variant", np.uint32),
    ],
    align=True,
)
SPELLED = np.dtype([("key", np.uint64), ("stamp", np.int32), ("index", np.int32)], align=True)
LEADER = np.dtype([("future", np.uint64), ("stamp", np.int32), ("family", np.int32)], align=True)
SCORE, LAST_GAIN, LOG_GAIN, LM_SCORE = range(4)  # places in `Workspace.figures`
USES, MASK = range(2)  # places in `Workspace.spelled_use`
MOST_CANDIDATES = 1 << 18
FEW = 64  # units: computing all probabilities of a frame takes less than choosing those that it needs
SEPARATOR_ASKED, ASKED_FIRST = 1, 2  # places in `Workspace.asked`
LENGTH, NODE_FOUND, LAST_WORD = range(3)  # places in `Workspace.counts`


class Settings(NamedTuple):
    """Pruning; see `recombination.rank` for the discount and `dominance.outdoes` for what is spared."""

    beam: int
    token_threshold: float  # natural log
    beam_ratio: float  # linear: a prefix below best * beam_ratio is dropped
    discount: float  # factor, when the beam is full, on a prefix that has the same future as a better one
    spared: int = 0  # prefixes in the beam up to which those are dropped that another one outdoes for good


class Workspace(NamedTuple):
    """Everything the search writes to; reused from utterance to utterance."""

    tree: PrefixTree
    beam: NDArray[np.void]  # (B,) ENTRY
    blank: NDArray[np.float64]  # (B,) probability of each prefix's paths that end in a blank
    label: NDArray[np.float64]  # (B,) probability of those that end in its last unit
    next_blank: NDArray[np.float64]  # (B,) the same after this frame, for the prefix as it is
    next_label: NDArray[np.float64]  # (B,)
    inside: NDArray[np.float64]  # (B,) the most that arcs which end no word reach, but for the unit's probability
    ending: NDArray[np.float64]  # (B,) the same of arcs that end one
    either: NDArray[np.float64]  # (B,) the higher of both
    listed: NDArray[np.uint32]  # (B,) places in the beam
    candidates: NDArray[np.void]  # (C,) CANDIDATE: the prefixes that a frame adds
    scores: NDArray[np.float64]  # (B + C,) of the prefixes that stay, then of the candidates
    ranks: NDArray[np.float64]  # (B + C,) the same, some of them discounted
    leaders: NDArray[np.void]  # (H,) LEADER: hash table of futures
    spelled: NDArray[np.void]  # SPELLED: hash table of the texts in a frame
    spelled_use: NDArray[np.int64]  # how often `spelled` has been used since then, and how much of it: see USES, ...
    groups: NDArray[np.int64]  # (B + C,) place in `group_best` of each prefix, or the first prefix of its text
    families: NDArray[np.int32]  # (B,) number of the prefixes of the beam with the same future
    group_best: NDArray[np.float64]  # (2 H + B V,) highest scores: see `recombination.group`
    bins: NDArray[np.int32]  # histogram of scores; all 0 between uses
    scratch: NDArray[np.float64]  # (B + C,)
    chosen: NDArray[np.uint32]  # (C,) candidates that enter the beam
    asked: NDArray[np.float32]  # (2 + V + B,) natural-log probabilities of some units
    # Of few units all probabilities; of many only those that the frame needs: of the blank and the separator, of the
    # units tried, then of the last unit of each prefix.
    probs: NDArray[np.float64]
    tokens: NDArray[np.uint32]  # (V,) the K units tried in this frame, most probable first
    weights: NDArray[np.float64]  # (V,) their probabilities
    mains: NDArray[np.uint32]  # (V,) the variants in which they usually extend a prefix
    positions: NDArray[np.int32]  # (V,) place among `tokens`, or NONE
    taken: NDArray[np.int64]  # (B * V,) at b * K + k: frame in which entry b's child by the k-th unit was in the beam
    clock: NDArray[np.int64]  # (1,) frames with units to try since the workspace was made
    stamp: NDArray[np.int32]  # (1,) uses of `leaders` since then
    width: NDArray[np.int64]  # (1,) entries in the beam
    log_scale: NDArray[np.float64]  # (1,) natural log of all that was divided out
    figures: NDArray[np.float64]  # the best reading: see SCORE, ...
    counts: NDArray[np.int64]  # the best reading: see LENGTH, ...
    reading: NDArray[np.int32]  # (N,) its units


class Search(NamedTuple):
    """All that compiled code needs."""

    ws: Workspace
    fusion: Fusion
    settings: Settings


def make_workspace(units: int, beam: int, nodes: int, by_pieces: bool = False, scoring: bool = False) -> Workspace:
    """Room for a search.

    Args:
        units: V.
        beam: B.
        nodes: prefixes that fit before the search has to stop and tidy up.
        by_pieces: whether spellings of a text are summed.
        scoring: whether a language model or lexicon weighs the candidates.
    """
    if by_pieces:  # dropping the worst to make room would lose spellings; what is not used takes no memory
        room = min(beam * units, MOST_CANDIDATES)
    else:  # the sooner the worst are dropped, the fewer words are looked up
        room = 2 * beam if scoring else 3 * beam + 256
    both = beam + room
    asked = ASKED_FIRST + units + beam
    # 2 B futures of the beam at most, and those of candidates with homophones, which pieces never have: 2 B more.
    leaders = np.zeros(table_size(4 * beam), LEADER)
    return Workspace(
        tree=make_tree(nodes), beam=np.zeros(beam, ENTRY),
        blank=np.zeros(beam), label=np.zeros(beam), next_blank=np.zeros(beam), next_label=np.zeros(beam),
        inside=np.zeros(beam), ending=np.zeros(beam), either=np.zeros(beam), listed=np.zeros(beam, np.uint32),
        candidates=np.zeros(room, CANDIDATE),
        scores=np.zeros(both), ranks=np.zeros(both), leaders=leaders,
        spelled=np.zeros(table_size(both), SPELLED), spelled_use=np.zeros(2, np.int64),
        groups=np.zeros(both, np.int64), families=np.zeros(beam, np.int32),
        group_best=np.zeros(2 * len(leaders) + beam * units),
        bins=np.zeros(BINS, np.int32), scratch=np.zeros(both), chosen=np.zeros(room, np.uint32),
        asked=np.zeros(asked, np.float32), probs=np.zeros(asked + SOME), tokens=np.zeros(units, np.uint32),
        weights=np.zeros(units),
        mains=np.zeros(units, np.uint32), positions=np.full(units, NONE, np.int32),
        taken=np.zeros(beam * units, np.int64), clock=np.zeros(1, np.int64), stamp=np.zeros(1, np.int32),
        width=np.zeros(1, np.int64), log_scale=np.zeros(1), figures=np.zeros(4), counts=np.zeros(3, np.int64),
        reading=np.zeros(nodes, np.int32),
    )  # fmt: skip
